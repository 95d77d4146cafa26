import { createTestEnvironment, type TestEnvironment } from './test-environment.ts'

/** Creates a test environment with reservations enabled and HOST licenses. */
export async function createReservationEnvironment(hosts = 100): Promise<TestEnvironment> {
  const world = await createTestEnvironment()
  await world.authority.reservations.enable()
  if (hosts > 0) await world.authority.orders.create({ tag: 'HOST', quantity: hosts })
  return world
}

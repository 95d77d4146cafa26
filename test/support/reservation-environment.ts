import { createTestEnvironment, type TestEnvironment } from './test-environment.ts'

/** A world whose account may reserve, with licenses of hosts to reserve from. */
export async function createReservationEnvironment(hosts = 100): Promise<TestEnvironment> {
  const world = await createTestEnvironment()
  await world.authority.reservations.enable()
  if (hosts > 0) await world.authority.orders.create({ tag: 'HOST', quantity: hosts })
  return world
}

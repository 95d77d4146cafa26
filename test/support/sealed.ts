import { makeWorld, type World } from './test-environment.ts'

/** A world whose account may reserve, with licences of hosts to reserve from. */
export async function makeSealedWorld(hosts = 100): Promise<World> {
  const world = await makeWorld()
  await world.authority.reservations.enable()
  if (hosts > 0) await world.authority.orders.create({ tag: 'HOST', quantity: hosts })
  return world
}

// Runs the exported configuration of the agent machine as an XState actor: node examples/statechart/exported.mjs
import { createActor, createMachine } from 'xstate'
import { exportConfig, implementations, initialContext } from 'smart-licensing-agent/machines'

const machine = createMachine({ ...exportConfig(), context: initialContext(Date.now()) }).provide({
  ...implementations,
  actions: {
    ...implementations.actions,
    // Requests and the deletion of secrets are commands. Here they are only printed.
    request: (_, { kind }) => console.log(`request ${kind}`),
    discardSecrets: () => undefined,
  },
})
const actor = createActor(machine)
actor.on('notice', ({ notice }) => console.log(notice))
actor.start()
actor.send({ type: 'clock.tick', at: Date.now(), used: 90 * 24 * 60 * 60 })
console.log(actor.getSnapshot().value.license) // unregistered

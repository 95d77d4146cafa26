import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect } from 'vitest'
import { createPrograms } from '../support/programs.ts'
import { createReceiver } from '../support/receiver.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

let world: TestEnvironment
let receiver: Awaited<ReturnType<typeof createReceiver>>
beforeEach(async () => {
  world = await createTestEnvironment()
  receiver = await createReceiver()
})
afterEach(async () => {
  await receiver.close()
  await world.close()
})

const hooks = () => world.authority.operations.webhooks
const status =
  (code: number) =>
  (response: ServerResponse): void => {
    response.writeHead(code).end()
  }

describe('webhook delivery by the programs', () => {
  it('sends each message once and in order from several processes', async () => {
    const programs = createPrograms()
    try {
      await hooks().add({ url: receiver.url })
      for (let i = 0; i < 60; i++) await world.token()
      receiver.answer = (response) => {
        setTimeout(() => {
          status(204)(response)
        }, 5)
      }
      const send = () =>
        programs.run(
          'smart-authority',
          ['--data-dir', join(world.directory, 'authority'), 'webhook', 'send', '--json'],
          // Later than the virtual clock, whatever its time.
          { time: '+3650d' },
        )
      const ended = await Promise.all([send(), send(), send()])
      await send()
      const sent = ended.map(({ stdout }) => (JSON.parse(stdout) as { delivered: number }).delivered)
      expect(sent.reduce((sum, count) => sum + count, 0)).toBe(60)
      expect(new Set(receiver.ids()).size).toBe(60)
      const order = receiver.received.map(
        ({ body }) => (JSON.parse(body) as { data: { id: number } }).data.id,
      )
      expect(order).toEqual(order.toSorted((a, b) => a - b))
    } finally {
      await programs.close()
    }
  })

  it('sends a message again with the same id after a kill between sending and recording', async () => {
    const programs = createPrograms()
    const authority = (...words: string[]) => programs.good(programs.authority([...words, '--json']))
    try {
      await authority('init', '--account', 'acme.example', '--accept-agreement')
      await authority('webhook', 'add', receiver.url)
      await authority('virtual-account', 'add', 'East')
      const child = programs.start('smart-authority', [
        '--data-dir',
        programs.dataDir('authority'),
        'webhook',
        'send',
      ])
      receiver.answer = () => {
        child.kill('SIGKILL')
      }
      await new Promise((resolve) => child.once('close', resolve))
      expect(receiver.received).toHaveLength(1)
      receiver.answer = status(204)
      const now = await authority('webhook', 'send')
      expect(now).toEqual({ delivered: 0 })
      const later = await programs.authority(['webhook', 'send', '--json'], { time: '+20m' })
      expect(JSON.parse(later.stdout)).toEqual({ delivered: 1 })
      expect(receiver.ids()[1]).toBe(receiver.ids()[0])
      expect(JSON.parse(receiver.received[1]!.body)).toMatchObject({
        type: 'VIRTUAL_ACCOUNT_ADDED',
        data: { user: expect.stringMatching(/ \(command line\)$/) as string },
      })
    } finally {
      await programs.close()
    }
  })
})

import { readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { parseError, createPrograms } from '../support/programs.ts'
import { createReceiver } from '../support/receiver.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

/** Real programs and files: this suite uses an authority by its commands alone. */
const programs = createPrograms()
let receiver: Awaited<ReturnType<typeof createReceiver>>
const me = `${userInfo().username} (command line)`
const run = (...words: string[]) => programs.authority(words)
const json = <T>(...words: string[]) => programs.good<T>(run(...words, '--json'))
const file = (name: string) => join(programs.directory, name)
interface Audit {
  audit: { who: string; action: string; subject: string; outcome: string }[]
}

beforeAll(async () => {
  await programs.initAuthority()
  receiver = await createReceiver()
})
afterAll(async () => {
  await receiver.close()
  await programs.close()
})

describe('the commands', () => {
  it('record their user in the event log, the tokens and the audit log (R-ACC-7)', async () => {
    const token = await programs.token('--description', 'for the lab')
    await run('token', 'revoke', token)
    await run('virtual-account', 'remove', 'Nowhere')
    await run('order', '--tag', 'HOST', '--quantity', '5')
    await json('license', 'list')
    await json('audit', 'list')
    const { audit } = await json<Audit>('audit', 'list')
    expect(audit.map(({ who, action, subject, outcome }) => [who, action, subject, outcome])).toEqual([
      [me, 'order place', 'tag: HOST; quantity: 5', 'done'],
      [me, 'virtual-account remove', 'Nowhere', 'NOT_FOUND'],
      [me, 'token revoke', '', 'done'],
      [me, 'token create', 'virtualAccount: Default; days: 30', 'done'],
    ])
    const { events } = await json<{ events: { type: string; who: string | null }[] }>('events')
    expect(events.find(({ type }) => type === 'TOKEN_CREATED')!.who).toBe(me)
    const { tokens } = await json<{ tokens: { createdBy: string }[] }>('token', 'list')
    expect(tokens[0]!.createdBy).toBe(me)
    expect((await run('token', 'list')).stdout).toContain(me)
  })

  it('show a webhook secret once and record no secrets', async () => {
    writeFileSync(
      file('secret'),
      `whsec_${Buffer.from('a secret of exactly 32 bytes ...').toString('base64')}\n`,
    )
    const secret = readFileSync(file('secret'), 'utf8').trim()
    const added = await json<{ id: string; secret: string }>(
      'webhook',
      'add',
      `${receiver.url}?key=hidden`,
      '--secret-file',
      file('secret'),
      '--type',
      'VIRTUAL_ACCOUNT_ADDED',
    )
    expect(added.secret).toBe(secret)
    expect(await json('webhook', 'test', added.id)).toEqual({ delivered: true })
    await run('virtual-account', 'add', 'East')
    expect(await json('webhook', 'send')).toEqual({ delivered: 1 })
    expect(receiver.types()).toEqual(['WEBHOOK_TEST', 'VIRTUAL_ACCOUNT_ADDED'])
    const rotated = await json<{ secret: string }>('webhook', 'rotate', added.id)
    const shown = [
      (await run('webhook', 'list')).stdout,
      (await run('webhook', 'list', '--json')).stdout,
      (await run('audit', 'list', '--json')).stdout,
      (await run('events', '--json')).stdout,
      readFileSync(join(programs.dataDir('authority'), 'authority.db'), 'latin1'),
    ]
    for (const text of shown)
      for (const value of [secret, rotated.secret]) expect(text).not.toContain(value.slice('whsec_'.length))
    for (const text of shown.slice(2, 4)) expect(text).not.toContain('hidden')
    await run('webhook', 'remove', added.id)
    expect(parseError(await run('webhook', 'test', added.id, '--json')).code).toBe('NOT_FOUND')
  })

  it('verify the audit log or an export, and exit with 1 when it was changed', async () => {
    await json('audit', 'checkpoint', '--out', file('checkpoint'))
    await run('virtual-account', 'add', 'West')
    await json('audit', 'export', '--out', file('audit.jsonl'))
    writeFileSync(file('root.pem'), (await run('trust', 'export')).stdout)
    const whole = await run('audit', 'verify', '--checkpoint', file('checkpoint'))
    expect([whole.code, whole.stderr]).toEqual([0, ''])
    expect(whole.stdout).toMatch(/entries 1 to \d+: the hash chain is intact/)
    const elsewhere = ['--trust', file('root.pem'), '--checkpoint', file('checkpoint')]
    const verify = (name: string) =>
      programs.run('smart-authority', [
        '--data-dir',
        file('nowhere'),
        'audit',
        'verify',
        file(name),
        ...elsewhere,
      ])
    expect((await verify('audit.jsonl')).code).toBe(0)
    const text = readFileSync(file('audit.jsonl'), 'utf8')
    writeFileSync(file('changed.jsonl'), text.replace('"subject":"West"', '"subject":"Wost"'))
    const changed = await verify('changed.jsonl')
    expect(changed.code).toBe(1)
    expect(changed.stderr).toMatch(/entry \d+, of .*, was changed.*AUDIT_BROKEN/)
    expect((await verify('missing')).stderr).toContain('FILE_UNREADABLE')
  })

  it('export the event log and configure notifications and scheduled reports (R-ACC-7)', async () => {
    await json('events', '--format', 'csv', '--out', file('events.csv'))
    expect(readFileSync(file('events.csv'), 'utf8')).toMatch(/^Time,Severity,.*User\r\n/)
    const lines = (await run('events', '--format', 'jsonl', '--since', '2020-01-01')).stdout
      .trimEnd()
      .split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toContain('TOKEN_CREATED')
    expect((await run('events', '--format', 'jsonl', '--until', '2020-01-01')).stdout).toBe('')
    expect(parseError(await run('events', '--since', 'yesterday', '--json')).code).toBe('INVALID_ARGUMENT')
    const set = await json('notification', 'set', 'ann@acme.example', '--status', '--expiring')
    expect(set).toMatchObject({ status: true, daily: false, expiring: [90] })
    expect((await run('notification', 'list')).stdout).toContain(
      'Status Notification; licenses that end in 90 days',
    )
    const scheduled = await json<{ id: string }>(
      'report',
      'schedule',
      'add',
      'usage',
      '--folder',
      file('reports'),
    )
    expect((await run('report', 'schedule', 'list')).stdout).toContain(scheduled.id)
    await json('report', 'schedule', 'remove', scheduled.id)
    expect((await run('report', 'licenses', '--csv')).stdout).toContain('HOST')
    expect(parseError(await run('report', 'schedule', 'add', 'usage', '--json')).code).toBe('USAGE')
    const { alerts, total } = await json<{ alerts: unknown[]; total: number }>(
      'alert',
      'list',
      '--limit',
      '0',
    )
    expect([alerts, total]).toEqual([[], 0])
  })
})

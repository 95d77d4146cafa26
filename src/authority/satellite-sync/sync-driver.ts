import { nextSyncDeadline, type SyncEvent, syncTransition } from '../../../machines/index.ts'
import { logEvent } from '../events/event-log.ts'
import { writeSetting } from '../store/store.ts'
import { SNAPSHOT_KEY, type Synchronization } from './sync-repository.ts'

/** Applies an event to the synchronization machine, persists its snapshot, and logs its notices. */
export async function applySyncEvent(sync: Synchronization, event: SyncEvent): Promise<void> {
  const { snapshot, commands } = syncTransition(sync.position, event)
  sync.position = snapshot
  await writeSetting(sync.tx, SNAPSHOT_KEY, JSON.stringify({ version: 1, position: snapshot }))
  for (const command of commands)
    if (command.type === 'notice') {
      const { notice, detail } = command.params
      await logEvent(sync.tx, {
        at: event.at,
        type: notice,
        severity: NOTICE_SEVERITY[notice],
        accountId: sync.account.id,
        message: `${sync.facts.name}: ${detail.replace(/\.$/, '')}.`,
      })
    }
}

/** Runs the machine's due transition. */
export async function tickSync(sync: Synchronization): Promise<void> {
  const next = nextSyncDeadline(sync.position)
  if (next !== null && next <= sync.at) await applySyncEvent(sync, { type: 'tick', at: sync.at })
}

/** Returns true if the machine has requested an online exchange that has not taken place yet. */
export function isExchangeDue(sync: Synchronization): boolean {
  return sync.position.value.exchange === 'requesting'
}

const NOTICE_SEVERITY = {
  SYNC_DONE: 'info',
  SYNC_FAILED: 'minor',
  SYNC_OVERDUE: 'major',
  SYNC_RESTRICTED: 'major',
  SYNC_RESTORED: 'info',
  SYNC_ENDED: 'major',
  SYNC_CREDENTIAL_ENDING: 'minor',
  SYNC_CREDENTIAL_ENDED: 'major',
} as const

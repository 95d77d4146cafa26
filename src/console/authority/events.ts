import type { Authority } from '../../authority/authority.ts'
import { exportEvents } from '../../authority/events/event-export.ts'
import { JsonStream, StreamedText, streamList } from '../../http/json-stream.ts'
import { implement } from '../../http/procedures.ts'
import { eventContract } from './events-contract.ts'
import { effectiveScope } from './scope.ts'

/** Entries of the event log in one CSV file of the page. The command `events` exports all of them. */
const MAX_EXPORTED_EVENTS = 10_000

export const createEventProcedures = (authority: Authority) =>
  implement(eventContract, {
    events: async ({ limit, before, severity, instanceId, ...wanted }, caller) => ({
      events: await authority.operations.events.list({
        ...effectiveScope(wanted, caller),
        limit,
        before,
        severity,
        instanceId,
        ownOnly: caller.account !== null,
      }),
    }),
    'events-csv': async ({ severity, instanceId, ...wanted }, caller) => {
      const events = await authority.operations.events.list({
        ...effectiveScope(wanted, caller),
        limit: MAX_EXPORTED_EVENTS,
        severity,
        instanceId,
        ownOnly: caller.account !== null,
      })
      return new JsonStream({ csv: new StreamedText(exportEvents(streamList(events, same).slices, 'csv')) })
    },
  })

const same = <T>(item: T): T => item

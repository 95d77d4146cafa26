import type { AuditService } from '../audit/audit-service.ts'
import type { Mailer } from '../notifications/mailer.ts'
import type { NotificationService } from '../notifications/notification-service.ts'
import type { WebhookService } from '../notifications/webhook-service.ts'
import type { Schedules } from '../reports/schedules.ts'
import type { SyncService } from '../satellite-sync/sync-service.ts'

import type { IssuedMark } from './issued-mark.ts'

export interface BackgroundServices {
  /** Synchronization of a satellite; null at a manager. */
  readonly sync: SyncService | null
  readonly mark: IssuedMark
  readonly audit: AuditService
  readonly notifications: NotificationService
  readonly schedules: Schedules
  readonly webhooks: WebhookService
  readonly mail: Mailer
}

/** Runs the due work each minute while the authority serves: a satellite's exchanges, reminders, warnings and their e-mail. */
export class BackgroundWork {
  readonly #services: BackgroundServices

  constructor(services: BackgroundServices) {
    this.#services = services
  }

  async run(): Promise<void> {
    const { mark, sync, audit, notifications, schedules, webhooks, mail } = this.#services
    await mark.check()
    await sync?.runDue()
    await audit.runDue()
    await notifications.runDue()
    await schedules.runDue()
    // Webhooks and mail are sent in parallel, so that a slow receiver or a mail server that is down delays only its own.
    const delivered = webhooks.deliver()
    try {
      await mail.send()
    } finally {
      await delivered
    }
  }
}

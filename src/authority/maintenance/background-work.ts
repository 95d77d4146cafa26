import type { AuditService } from '../audit/audit-service.ts'
import type { Mailer } from '../notifications/mailer.ts'
import type { NotificationService } from '../notifications/notification-service.ts'
import type { WebhookService } from '../notifications/webhook-service.ts'
import type { Schedules } from '../reports/schedules.ts'
import type { SyncService } from '../satellite-sync/sync-service.ts'

/** The services that have work to do while an authority is served. */
export interface BackgroundServices {
  /** A satellite's synchronization; null at a manager. */
  readonly sync: SyncService | null
  readonly audit: AuditService
  readonly notifications: NotificationService
  readonly schedules: Schedules
  readonly webhooks: WebhookService
  readonly mail: Mailer
}

/** Exchanges of a satellite, reminders, warnings, and the mails of both: done each minute while the authority is served. */
export class BackgroundWork {
  readonly #services: BackgroundServices

  constructor(services: BackgroundServices) {
    this.#services = services
  }

  async run(): Promise<void> {
    const { sync, audit, notifications, schedules, webhooks, mail } = this.#services
    await sync?.runDue()
    await audit.runDue()
    await notifications.runDue()
    await schedules.runDue()
    // A receiver that is slow, and a mail server that is down, keep nothing from each other.
    const delivered = webhooks.deliver()
    try {
      await mail.send()
    } finally {
      await delivered
    }
  }
}

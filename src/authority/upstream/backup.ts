import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { checked } from '../../domain/checked.ts'
import type { Clock } from '../../domain/clock.ts'
import { LicensingError } from '../../domain/errors.ts'
import { HOUR } from '../../domain/instant.ts'
import { checkPrivateDirectory, storeFailure } from '../../trust/private-files.ts'
import { openFiles, sealFiles } from '../../trust/sealed-file.ts'
import { Database } from '../../trust/sqlite.ts'
import { chooseAccount } from '../accounts.ts'
import { Credentials } from '../credentials.ts'
import { logEvent } from '../event-log.ts'
import { DATABASE_FILE } from '../sqlite.ts'
import { AuthorityStore, readSetting } from '../store.ts'
import { Synchronisation } from './synchronisation.ts'

const TITLE = 'SMART LICENSING BACKUP, version 1'
const passphraseSchema = z.string().min(8, 'a passphrase has 8 characters or more').max(1000)

/** Keys that are never in a backup (trust §9). */
const LEFT_OUT = ['root.key']

/**
 * A satellite as one file, sealed by a passphrase: its database and its keys, as of one moment, while it goes on.
 *
 * @throws LicensingError INVALID_ARGUMENT, STORE_*
 */
export async function makeBackup(dataDir: string, passphrase: string): Promise<Buffer> {
  const secret = checked(passphraseSchema, passphrase, 'passphrase')
  removeStale(dataDir)
  const copy = join(dataDir, `backup-${randomBytes(6).toString('hex')}.db`)
  try {
    const database = new Database(join(dataDir, DATABASE_FILE), { readonly: true, timeout: 10_000 })
    try {
      await database.backup(copy)
    } finally {
      database.close()
    }
    // The keys after the database: whatever it refers to is there.
    const keys = join(dataDir, 'keys')
    const names = readdirSync(keys).filter((name) => name.endsWith('.key') && !LEFT_OUT.includes(name))
    return await sealFiles(
      [
        { name: DATABASE_FILE, bytes: readFileSync(copy) },
        ...names.map((name) => ({ name: `keys/${name}`, bytes: readFileSync(join(keys, name)) })),
      ],
      secret,
      TITLE,
    )
  } catch (thrown) {
    throw storeFailure(thrown, 'making the backup')
  } finally {
    rmSync(copy, { force: true })
  }
}

/** What a backup that was killed has left lying about. */
function removeStale(dataDir: string): void {
  for (const name of readdirSync(dataDir).filter((one) => /^backup-[0-9a-f]{12}\.db/.test(one)))
    if (Date.now() - statSync(join(dataDir, name)).mtimeMs > HOUR)
      rmSync(join(dataDir, name), { force: true })
}

/**
 * Makes a satellite's data directory of a backup, whole or not at all. From here on it goes on in an epoch of its own, and
 * its tokens are revoked: which of them were used since, nobody here can know.
 *
 * @throws LicensingError DATA_DIR_EXISTS, BACKUP_UNREADABLE, STORE_*
 */
export async function restoreBackup(
  dataDir: string,
  backup: Buffer,
  passphrase: string,
  clock: Clock,
): Promise<{ name: string; tokensRevoked: number }> {
  const place = resolve(dataDir)
  if (existsSync(place) && readdirSync(place).length > 0)
    throw new LicensingError('DATA_DIR_EXISTS', `${place} is not empty.`, {
      remedy: 'Restore into a new directory, and name that with --data-dir.',
    })
  const files = await openFiles(backup, passphrase, TITLE)
  if (files === null) throw new LicensingError('BACKUP_UNREADABLE', 'The backup cannot be opened.')
  const temporary = join(dirname(place), `.${basename(place)}-${randomBytes(6).toString('hex')}`)
  try {
    mkdirSync(join(temporary, 'keys'), { recursive: true, mode: 0o700 })
    checkPrivateDirectory(temporary)
    for (const { name, bytes } of files) {
      if (name !== DATABASE_FILE && !/^keys\/[a-z0-9-]+\.key$/.test(name)) continue
      writeFileSync(join(temporary, name), bytes, { mode: 0o600, flush: true })
    }
    const done = await beginAnew(temporary, clock)
    if (existsSync(place)) rmdirSync(place)
    renameSync(temporary, place)
    return done
  } catch (thrown) {
    throw storeFailure(thrown, 'restoring the backup')
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

async function beginAnew(dataDir: string, clock: Clock): Promise<{ name: string; tokensRevoked: number }> {
  const store = await AuthorityStore.open(dataDir)
  try {
    return await store.transaction(async (tx) => {
      const credentials = await Credentials.load(dataDir, tx)
      const at = Math.max(clock.wall(), Number((await readSetting(tx, 'told-time')) ?? 0))
      const account = await chooseAccount(tx, undefined)
      const sync = await Synchronisation.open(tx, credentials, account, at)
      await sync.restored()
      const { numUpdatedRows } = await tx
        .updateTable('tokens')
        .set({ revoked_at: at })
        .where('revoked_at', 'is', null)
        .executeTakeFirst()
      const tokensRevoked = Number(numUpdatedRows)
      // Who was signed in when the backup was made may have signed out since.
      await tx.deleteFrom('sessions').execute()
      await logEvent(tx, {
        at,
        type: 'SATELLITE_RESTORED',
        severity: 'major',
        accountId: account.id,
        message: `Restored from a backup, in epoch ${credentials.identity.epoch}: ${tokensRevoked === 1 ? '1 token was' : `${tokensRevoked} tokens were`} revoked, and what was registered since comes back with the next synchronisation.`,
      })
      return { name: sync.status().satellite, tokensRevoked }
    })
  } finally {
    await store.close()
  }
}

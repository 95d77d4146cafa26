import { randomBytes, scryptSync } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Decrypter, Encrypter } from 'age-encryption'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LicensingError } from '../../src/core/errors.ts'
import { LOGIN_ATTEMPT_LIMITS } from '../../src/http/login-attempt-limits.ts'
import {
  deriveSharedKey,
  deriveKeyPair,
  generateSeed,
  exportRawPublicKey,
} from '../../src/pki/key-agreement.ts'
import { consumeAttempt, MemoryLoginAttempts } from '../../src/http/login-rate-limiter.ts'
import {
  verifyPassword,
  hashPassword,
  generateOneTimePassword,
  assertStrongPassword,
} from '../../src/http/passwords.ts'
import {
  checkPrivateDirectory,
  ensurePrivateDirectory,
  ensurePrivateFile,
  fileExists,
  createDirectory,
  SecretFileStore,
  toStoreError,
} from '../../src/storage/private-files.ts'
import { decryptText, EncryptedLines, encryptLines, encryptText } from '../../src/storage/age-files.ts'
import { AGE_WORK_FACTOR } from '../../src/storage/age-work-factor.ts'
import { generateSecretKey, decryptSecret, encryptSecret } from '../../src/storage/encrypted-secret.ts'
import { isBusy, openDatabase } from '../../src/storage/sqlite.ts'
import { checkWebhookSecret, generateWebhookSecret } from '../../src/pki/webhook-signature.ts'
import { AGE_WORK_FACTOR as TEST_WORK_FACTOR } from '../support/age-work-factor.ts'
import { getRefusal } from '../support/refusal.ts'
import { Database } from '../support/sqlite.ts'

vi.mock('../support/password-cost.ts', () => import('../../src/http/password-cost.ts'))

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-secrets-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})
const inside = (name: string) => join(directory, name)
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
/** Returns a copy of the bytes with one bit flipped. */
function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}
const failing = (code: string) => Object.assign(new Error('it failed'), { code })

describe('a storage error', () => {
  it.each([
    ['ENOSPC', 'STORE_FULL: The disk is full: writing it failed.'],
    ['SQLITE_FULL', 'STORE_FULL: The disk is full: writing it failed.'],
    ['EDQUOT', 'STORE_FULL: The disk is full: writing it failed.'],
    ['EFBIG', 'STORE_FULL: The disk is full: writing it failed.'],
    ['EIO', 'STORE_UNWRITABLE: Writing it failed (EIO).'],
    ['EACCES', 'STORE_UNWRITABLE: Writing it failed (EACCES).'],
    ['EPERM', 'STORE_UNWRITABLE: Writing it failed (EPERM).'],
    ['EROFS', 'STORE_UNWRITABLE: Writing it failed (EROFS).'],
    ['SQLITE_READONLY_DBMOVED', 'STORE_UNWRITABLE: Writing it failed (SQLITE_READONLY_DBMOVED).'],
    ['SQLITE_CANTOPEN', 'STORE_UNWRITABLE: Writing it failed (SQLITE_CANTOPEN).'],
    ['SQLITE_PERM', 'STORE_UNWRITABLE: Writing it failed (SQLITE_PERM).'],
    ['SQLITE_IOERR_WRITE', 'STORE_UNWRITABLE: Writing it failed (SQLITE_IOERR_WRITE).'],
    ['SQLITE_NOTADB', 'STORE_UNREADABLE: Writing it failed: the file is damaged (SQLITE_NOTADB).'],
    ['SQLITE_CORRUPT', 'STORE_UNREADABLE: Writing it failed: the file is damaged (SQLITE_CORRUPT).'],
    ['NOT_EACCES', 'INTERNAL: Writing it failed (NOT_EACCES).'],
    ['NOT_SQLITE_CORRUPT', 'INTERNAL: Writing it failed (NOT_SQLITE_CORRUPT).'],
    ['', 'INTERNAL: Writing it failed (it failed).'],
  ])('%s is converted to a LicensingError', (code, expectedCode) => {
    const { code: ours, message } = toStoreError(failing(code), 'writing it')
    expect(`${ours}: ${message}`).toBe(expectedCode)
  })

  it('is kept if it is a LicensingError, and reported as unknown if it is not an Error', () => {
    const ours = new LicensingError('STORE_FULL', 'full')
    expect(toStoreError(ours, 'writing it')).toBe(ours)
    for (const error of [null, 'text', undefined, 5])
      expect(toStoreError(error, 'writing it').message).toBe('Writing it failed (unknown).')
  })
})

describe('a private directory', () => {
  it('is created with mode 0700, and its missing parents too', () => {
    ensurePrivateDirectory(inside('a/b'))
    expect([modeOf(inside('a')), modeOf(inside('a/b'))]).toEqual(['700', '700'])
    ensurePrivateDirectory(inside('a/b'))
  })

  it('is refused if it is open to other users, a file or a symbolic link', () => {
    mkdirSync(inside('open'))
    for (const mode of [0o701, 0o702, 0o704, 0o710, 0o720, 0o740]) {
      chmodSync(inside('open'), mode)
      expect(getRefusal(() => ensurePrivateDirectory(inside('open')))).toBe(
        `DATA_DIR_UNSAFE: ${inside('open')} is open to other users (mode ${mode.toString(8)}).`,
      )
    }
    chmodSync(inside('open'), 0o500)
    checkPrivateDirectory(inside('open'))
    writeFileSync(inside('file'), '')
    symlinkSync(inside('open'), inside('link'))
    for (const name of ['file', 'link'])
      expect(getRefusal(() => ensurePrivateDirectory(inside(name)))).toContain('is not a directory')
    expect(getRefusal(() => ensurePrivateDirectory(inside('file/below')))).toBe(
      `DATA_DIR_UNSAFE: ${inside('file/below')} is not a directory.`,
    )
  })

  it('is refused if it belongs to another user', () => {
    const owner = process.getuid
    process.getuid = () => 12_345
    try {
      expect(getRefusal(() => checkPrivateDirectory(directory))).toBe(
        `DATA_DIR_UNSAFE: ${directory} belongs to another user.`,
      )
    } finally {
      if (owner) process.getuid = owner
    }
  })

  it('reports a file below another file as missing', () => {
    writeFileSync(inside('file'), '')
    expect(['file', 'none', 'file/below'].map((name) => fileExists(inside(name)))).toEqual([
      true,
      false,
      false,
    ])
    expect(getRefusal(() => fileExists('x'.repeat(5000)))).toContain('Looking for')
  })

  it('makes a new or existing file private and keeps its content', () => {
    writeFileSync(inside('file'), 'text', { mode: 0o644 })
    ensurePrivateFile(inside('file'))
    ensurePrivateFile(inside('new'))
    expect([modeOf(inside('file')), modeOf(inside('new'))]).toEqual(['600', '600'])
    expect(readFileSync(inside('file'), 'utf8')).toBe('text')
  })

  it('is refused with STORE_UNWRITABLE if it cannot be created', () => {
    expect(getRefusal(() => ensurePrivateDirectory('/proc/none/here'))).toMatch(
      /^STORE_UNWRITABLE: Creating the directory \/proc\/none\/here failed/,
    )
  })

  it('may have a relative path and may already exist', () => {
    const named = relative('.', inside('a/b'))
    createDirectory(named)
    createDirectory(named)
    expect(modeOf(inside('a/b'))).toBe('700')
    writeFileSync(inside('file'), '')
    expect(() => {
      createDirectory(inside('file'))
    }).toThrow('EEXIST')
    expect(() => {
      createDirectory('/proc/none/here')
    }).toThrow('ENOENT')
  })

  it('leaves no file descriptor open', () => {
    const files = new SecretFileStore(inside('secrets'))
    const before = readdirSync('/proc/self/fd').length
    for (let i = 0; i < 20; i++) {
      files.put('key', 'text')
      ensurePrivateFile(inside('file'))
    }
    expect(readdirSync('/proc/self/fd').length - before).toBeLessThan(5)
  })

  it('fails to store a secret if it was deleted', () => {
    const files = new SecretFileStore(inside('secrets'))
    rmSync(inside('secrets'), { recursive: true })
    expect(getRefusal(() => files.put('key', 'text'))).toContain('Writing a secret failed')
  })

  it('stores each secret as a file, atomically', () => {
    const files = new SecretFileStore(inside('secrets'))
    expect(files.has('key')).toBe(false)
    files.put('key', 'first')
    files.put('key', 'second')
    expect([files.get('key'), files.has('key'), modeOf(inside('secrets/key'))]).toEqual([
      'second',
      true,
      '600',
    ])
    expect(readdirSync(inside('secrets'))).toEqual(['key'])
    mkdirSync(inside('secrets/taken'))
    expect(getRefusal(() => files.put('taken', 'text'))).toContain('riting a secret failed')
    expect(readdirSync(inside('secrets')).sort()).toEqual(['key', 'taken'])
    expect(getRefusal(() => files.get('none'))).toBe(
      'STORE_UNREADABLE: The secret none is missing from the data directory.',
    )
  })

  it('deletes secrets that are not referenced', () => {
    const files = new SecretFileStore(inside('secrets'))
    for (const name of ['a', 'b', 'c.new']) files.put(name, name)
    files.deleteExcept(new Set(['b']))
    expect(readdirSync(inside('secrets'))).toEqual(['b'])
    expect(existsSync(inside('secrets/b'))).toBe(true)
  })
})

describe('an age file', () => {
  const PASSPHRASE = 'passphrase'
  // Large enough, even compressed, for several chunks of the format.
  const LINES = ['first', '', 'zweite Zeile: ä 𝄞', randomBytes(150_000).toString('base64')]
  const CHUNK = 64 * 1024 + 16
  const linesOf = async function* () {
    for (const line of LINES) yield await Promise.resolve(line)
  }
  const encrypted = async (lines: AsyncIterable<string> = linesOf()) => {
    const chunks: Buffer[] = []
    await encryptLines(lines, PASSPHRASE, (chunk) => void chunks.push(chunk))
    return Buffer.concat(chunks)
  }
  /** Returns the lines of a file; null if it cannot be opened or is damaged. */
  const opened = async (file: Buffer, passphrase = PASSPHRASE) => {
    const received: string[] = []
    const lines = await EncryptedLines.open(file, passphrase)
    const isWhole = await lines?.read((line) => Promise.resolve(void received.push(line)))
    return isWhole ? received : null
  }
  /** Returns the offset of the nonce, which follows the header. */
  const headerEnd = (file: Buffer) => file.indexOf('\n', file.indexOf('\n--- ') + 1) + 1

  it('has a passphrase header with the work factor of the age command', async () => {
    expect(AGE_WORK_FACTOR).toBe(18)
    const header = new RegExp(
      `^age-encryption\\.org/v1\n-> scrypt [\\w+/]{22} ${TEST_WORK_FACTOR}\n[\\w+/]{43}\n--- [\\w+/]{43}\n$`,
    )
    for (const file of [await encryptText('text', PASSPHRASE), await encrypted()])
      expect(file.subarray(0, headerEnd(file)).toString('latin1')).toMatch(header)
  })

  it('of a text is decrypted only with its passphrase', async () => {
    const file = await encryptText('some text ä', 'passphrase ä')
    expect(await decryptText(file, 'passphrase a\u0308')).toBe('some text ä')
    expect(await decryptText(file, 'another')).toBeNull()
    expect(file.includes('some text')).toBe(false)
    expect((await encryptText('some text ä', 'passphrase ä')).equals(file)).toBe(false)
    expect(await decryptText(await encryptText('', PASSPHRASE), PASSPHRASE)).toBe('')
  })

  it('of a text is refused if any bit was changed or it was truncated', async () => {
    const file = await encryptText('text', PASSPHRASE)
    for (let at = 0; at < file.length; at++)
      expect(await decryptText(flipped(file, at), PASSPHRASE), String(at)).toBeNull()
    for (let length = 0; length < file.length; length++)
      expect(await decryptText(file.subarray(0, length), PASSPHRASE), String(length)).toBeNull()
    expect(await decryptText(Buffer.concat([file, Buffer.of(0)]), PASSPHRASE)).toBeNull()
  })

  it('is refused without any work if its work factor exceeds 2^20', async () => {
    const file = await encryptText('text', PASSPHRASE)
    const costly = file.toString('latin1').replace(` ${TEST_WORK_FACTOR}\n`, ' 21\n')
    expect(await decryptText(Buffer.from(costly, 'latin1'), PASSPHRASE)).toBeNull()
  })

  it('of lines contains their text compressed with gzip', async () => {
    const decrypter = new Decrypter()
    decrypter.addPassphrase(PASSPHRASE)
    const text = gunzipSync(await decrypter.decrypt(await encrypted())).toString()
    expect(text).toBe(LINES.map((line) => `${line}\n`).join(''))
  })

  it('of lines is read line by line, repeatedly, and only with its passphrase', async () => {
    const file = await encrypted()
    expect(await opened(file)).toEqual(LINES)
    expect(await opened(file, 'another')).toBeNull()
    const lines = await EncryptedLines.open(file, PASSPHRASE)
    for (let time = 0; time < 2; time++) {
      const taken: string[] = []
      expect(await lines?.read((line) => Promise.resolve(void taken.push(line)))).toBe(true)
      expect(taken).toEqual(LINES)
    }
  })

  it('of lines is refused if it was changed or truncated, also between chunks', async () => {
    const file = await encrypted()
    const payload = headerEnd(file) + 16
    expect(file.length).toBeGreaterThan(payload + 2 * CHUNK)
    for (const at of [0, 40, 70, 120, payload - 1, payload, payload + CHUNK, file.length - 1])
      expect(await opened(flipped(file, at)), String(at)).toBeNull()
    for (const length of [0, 21, payload - 16, payload - 1, payload, payload + CHUNK, file.length - 1])
      expect(await opened(file.subarray(0, length)), String(length)).toBeNull()
    const without = [file.subarray(0, payload + CHUNK), file.subarray(payload + 2 * CHUNK)]
    expect(await opened(Buffer.concat(without))).toBeNull()
    expect(await opened(Buffer.concat([file, Buffer.of(0)]))).toBeNull()
  })

  it('without compressed lines is refused as a file of lines', async () => {
    expect(await opened(await encryptText('no gzip', PASSPHRASE))).toBeNull()
    const encrypter = new Encrypter()
    encrypter.addRecipient('age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p')
    expect(await opened(Buffer.from(await encrypter.encrypt('for another')))).toBeNull()
  })

  it('of lines passes on the error of its reader and stops reading', async () => {
    const lines = await EncryptedLines.open(await encrypted(), PASSPHRASE)
    for (const error of [new LicensingError('BACKUP_UNREADABLE', 'not of its form'), new Error('other')]) {
      const take = vi.fn(() => Promise.reject(error))
      await expect(lines?.read(take)).rejects.toBe(error)
      expect(take).toHaveBeenCalledOnce()
    }
  })

  it('passes on errors of its source or its destination', async () => {
    const error = new Error('the disk is full')
    const failing = async function* () {
      yield* linesOf()
      throw error
    }
    await expect(encrypted(failing())).rejects.toBe(error)
    const write = () => {
      throw error
    }
    await expect(encryptLines(linesOf(), PASSPHRASE, write)).rejects.toBe(error)
  })
})

describe('an encrypted secret', () => {
  it('is decrypted only with its key', () => {
    const key = generateSecretKey()
    const stored = encryptSecret('Geheimnis ä', key)
    expect(decryptSecret(stored, key)).toBe('Geheimnis ä')
    expect(encryptSecret('Geheimnis ä', key)).not.toBe(stored)
    expect(() => decryptSecret(stored, generateSecretKey())).toThrow()
    const bytes = Buffer.from(stored, 'base64url')
    for (const at of [0, 12, 28]) {
      expect(() => decryptSecret(flipped(bytes, at).toString('base64url'), key)).toThrow()
    }
  })
})

describe('passwords', () => {
  it('are stored as a hash with its parameters, different each time', async () => {
    const hash = await hashPassword('correct horse ä')
    expect(hash).toMatch(/^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
    expect(await hashPassword('correct horse ä')).not.toBe(hash)
    expect(await verifyPassword('correct horse a\u0308', hash)).toBe(true)
    expect(await verifyPassword('correct horse', hash)).toBe(false)
    for (const none of [null, '', 'scrypt$32768$8$3', 'scrypt$32768$8$3$AAAA', hash.slice(0, -3)])
      expect(await verifyPassword('correct horse ä', none), String(none)).toBe(false)
  })

  it.each([
    ['elevenchars', 'it has fewer than 12 characters'],
    ['twelve chars', null],
    ['x1'.repeat(128), null],
    [`${'x1'.repeat(128)}y`, 'it has more than 256 characters'],
    ['my Alice in wonder', 'it contains the name of the user'],
    ['aaaaaaaaaaaa', 'it is a common password'],
    ['aaaaaaaaaaaab', null],
    ['PassWord1234567', 'it is a common password'],
    ['not a password1', null],
    ['Letmein-please-now', 'it is a common password'],
    ['012345678901', 'it is a common password'],
    ['BCDEFGHIJKLMN', 'it is a common password'],
    ['bcdefghijklmnx', null],
    ['ends with tooo', null],
  ])('%s: %s', (password, why) => {
    expect(getRefusal(() => assertStrongPassword(password, 'alice'))).toBe(
      why === null ? 'not refused' : `PASSWORD_WEAK: The password cannot be used: ${why}.`,
    )
  })

  it('are verified with the cost that is stored beside the hash', async () => {
    const [salt, password] = [Buffer.alloc(16, 3), 'correct horse']
    const made = (N: number, r: number, p: number) => {
      const key = scryptSync(password, salt, 32, { N, r, p, maxmem: 2 ** 28 })
      return `$${salt.toString('base64url')}$${key.toString('base64url')}`
    }
    expect(await verifyPassword(password, `scrypt$32768$8$3${made(32_768, 8, 3)}`)).toBe(true)
    expect(await verifyPassword(password, `scrypt$1024$4$1${made(1024, 4, 1)}`)).toBe(true)
    expect(await verifyPassword(password, `scrypt$32768$8$3${made(16_384, 8, 1)}`)).toBe(false)
  })

  it('may contain a user name of fewer than four characters', () => {
    expect(getRefusal(() => assertStrongPassword('something with bob in it', 'bob'))).toBe('not refused')
    expect(getRefusal(() => assertStrongPassword('something with bobo in it', 'BoBo'))).toContain(
      'name of the user',
    )
  })

  it('for one use are generated in groups that can be typed, different each time', () => {
    const made = Array.from({ length: 50 }, generateOneTimePassword)
    for (const one of made) expect(one).toMatch(/^[a-km-np-z2-9]{5}(-[a-km-np-z2-9]{5}){3}$/)
    expect(new Set(made).size).toBe(50)
  })
})

describe('login attempts', () => {
  const { perAddress, perUser, maxRemembered } = LOGIN_ATTEMPT_LIMITS
  const { maxFailures, windowMs } = perAddress
  const from = (address: string) => ({ address, user: null })
  let now: number
  let attempts: MemoryLoginAttempts
  beforeEach(() => {
    now = 1000
    attempts = new MemoryLoginAttempts(() => now)
  })
  const wrong = async (address: string, count: number) => {
    for (let i = 0; i < count; i++) await attempts.count(address, perAddress)
  }
  const waitOf = async (address: string) => {
    const counted = await attempts.count(address, perAddress)
    return 'retryAfterMs' in counted ? counted.retryAfterMs : 0
  }

  it('are limited by address within a window', async () => {
    await attempts.count('a', perAddress)
    now += 100
    await wrong('a', maxFailures - 1)
    expect(await waitOf('b')).toBe(0)
    expect(await waitOf('a')).toBe(windowMs - 100)
    now += windowMs - 101
    expect(await waitOf('a')).toBe(1)
    now += 1
    expect(await waitOf('a')).toBe(0)
    expect(await waitOf('a')).toBe(100)
  })

  it('do not count if they succeed', async () => {
    await wrong('a', maxFailures - 1)
    const refund = await consumeAttempt(attempts, from('a'))
    expect(await waitOf('a')).toBe(windowMs)
    await refund()
    expect(await waitOf('a')).toBe(0)
    expect(await waitOf('a')).toBe(windowMs)
    await (
      await consumeAttempt(attempts, from('b'))
    )()
    await attempts.refund('none', 1)
  })

  it('are refused beyond the limit with the time to wait', async () => {
    await wrong('a', maxFailures)
    await expect(consumeAttempt(attempts, from('a'))).rejects.toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      retryAfterMs: windowMs,
    })
  })

  it('are limited by user from all addresses, more slowly', async () => {
    const guess = (address: number, user: string) =>
      consumeAttempt(attempts, { address: `192.0.2.${address}`, user })
    for (let i = 0; i < perUser.maxFailures; i++) await guess(i, 'admin')
    const blocked = { code: 'TOO_MANY_REQUESTS', retryAfterMs: perUser.windowMs }
    await expect(guess(200, 'admin')).rejects.toMatchObject(blocked)
    await expect(guess(201, ' Admin')).rejects.toMatchObject(blocked)
    await guess(202, 'operator')
    now += perUser.windowMs
    const refund = await guess(203, 'admin')
    await refund()
    for (let i = 0; i < perUser.maxFailures; i++) await guess(i, 'admin')
  })

  it('are limited together for the addresses of one IPv6 network and of one IPv4-mapped address', async () => {
    for (let i = 0; i < maxFailures; i++) await consumeAttempt(attempts, from(`2001:db8:1:2::${i}`))
    await expect(consumeAttempt(attempts, from('2001:db8:1:2:ffff::1'))).rejects.toThrow('this address')
    await consumeAttempt(attempts, from('2001:db8:1:3::1'))
    for (let i = 0; i < maxFailures; i++) await consumeAttempt(attempts, from('192.0.2.1'))
    await expect(consumeAttempt(attempts, from('::ffff:192.0.2.1'))).rejects.toThrow('this address')
  })

  it('are remembered for a limited number of addresses, and the oldest address is forgotten first', async () => {
    await wrong('first', maxFailures)
    await wrong('second', 1)
    for (let i = 0; i < maxRemembered - 2; i++) await attempts.count(`other ${i}`, perAddress)
    expect(await waitOf('first')).toBeGreaterThan(0)
    await attempts.count('second', perAddress)
    await attempts.count('one more', perAddress)
    expect(await waitOf('first')).toBe(0)
    await wrong('second', maxFailures - 3)
    expect(await waitOf('second')).toBe(0)
    expect(await waitOf('second')).toBeGreaterThan(0)
  })
})

describe('a database', () => {
  const nativeBinding = (content: string | null) => {
    const path = inside('native.node')
    if (content !== null) writeFileSync(path, content)
    return { nativeBinding: path }
  }

  it('is created with mode 0600', async () => {
    ;(await openDatabase(inside('some.db'), {})).close()
    expect(modeOf(inside('some.db'))).toBe('600')
  })

  it.each([
    ['absent', null],
    ['of another machine', 'not a library'],
  ])('is refused with STORE_MODULE_ABSENT if its native part is %s', async (_, content) => {
    await expect(openDatabase(inside('some.db'), {}, nativeBinding(content))).rejects.toMatchObject({
      code: 'STORE_MODULE_ABSENT',
      message: `The native module better-sqlite3 is not built for Node ${process.versions.node}.`,
    })
  })

  it('passes on any other error', async () => {
    await expect(openDatabase(inside(''), {})).rejects.toThrow(/^EISDIR/)
    await expect(openDatabase(inside('some.db'), { timeout: -1 })).rejects.toThrow(TypeError)
  })
})

describe('a database that another process has locked', () => {
  it('is distinguished from every other failure', () => {
    const [one, two] = [new Database(inside('some.db')), new Database(inside('some.db'), { timeout: 0 })]
    const failure = (work: () => unknown) => {
      try {
        work()
        return null
      } catch (error) {
        return error
      }
    }
    try {
      one.exec('create table t (n integer); begin exclusive')
      expect(isBusy(failure(() => two.exec('insert into t values (1)')))).toBe(true)
      one.exec('rollback')
      expect(isBusy(failure(() => two.exec('insert into none values (1)')))).toBe(false)
    } finally {
      one.close()
      two.close()
    }
    expect(isBusy(new Database.SqliteError('snapshot', 'SQLITE_BUSY_SNAPSHOT'))).toBe(true)
    for (const other of [failing('SQLITE_BUSY'), null, 'SQLITE_BUSY']) expect(isBusy(other)).toBe(false)
  })
})

describe('a shared key', () => {
  it('is the same on both sides, different for each reservation, and null for a public key of low order', () => {
    const [mine, theirs] = [deriveKeyPair(generateSeed(), 1), deriveKeyPair(generateSeed(), 1)]
    const key = deriveSharedKey(mine, exportRawPublicKey(theirs), 'r')
    expect(key).toEqual(deriveSharedKey(theirs, exportRawPublicKey(mine), 'r'))
    expect(key).not.toEqual(deriveSharedKey(mine, exportRawPublicKey(theirs), 's'))
    expect(deriveSharedKey(mine, new Uint8Array(32), 'r')).toBeNull()
  })
})

describe('a webhook secret', () => {
  const secretOf = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`
  it('is generated with sufficient length and is valid', () => {
    expect(generateWebhookSecret()).not.toBe(generateWebhookSecret())
    expect(checkWebhookSecret(generateWebhookSecret())).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  })

  it.each([24, 64])('may have %i bytes, and blanks around it', (bytes) => {
    expect(checkWebhookSecret(` ${secretOf(bytes)}\n`)).toBe(secretOf(bytes))
  })

  it.each([
    '',
    'whsec_',
    secretOf(23),
    secretOf(65),
    secretOf(32).slice(6),
    `x${secretOf(32)}`,
    `${secretOf(25)}x`,
    secretOf(25).replace(/=+$/, ''),
  ])('is refused for %j', (text) => {
    expect(getRefusal(() => checkWebhookSecret(text))).toBe(
      'INVALID_ARGUMENT: The webhook secret is not whsec_ followed by the base64 of 24 to 64 bytes.',
    )
  })
})

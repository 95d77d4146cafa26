import { scryptSync } from 'node:crypto'
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
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LicensingError } from '../../src/core/errors.ts'
import { GUESS_LIMITS } from '../../src/http/login-attempt-limits.ts'
import { agreedKey, agreementKey, newSeed, publicBytes } from '../../src/pki/key-agreement.ts'
import { beginGuess, MemoryGuesses } from '../../src/http/login-rate-limiter.ts'
import { checkPassword, hashPassword, oneTimePassword, requireStrong } from '../../src/http/passwords.ts'
import {
  checkPrivateDirectory,
  ensurePrivateDirectory,
  ensurePrivateFile,
  fileExists,
  makeDirectory,
  SecretFiles,
  storeFailure,
} from '../../src/storage/private-files.ts'
import { keyOf, openFiles, sealFiles } from '../../src/storage/encrypted-files.ts'
import { newSecretKey, openSecret, sealSecret } from '../../src/storage/encrypted-secret.ts'
import { openLines, sealLines } from '../../src/storage/encrypted-lines.ts'
import { Database, isBusy, openDatabase } from '../../src/storage/sqlite.ts'
import { checkWebhookSecret, newWebhookSecret } from '../../src/pki/webhook-signature.ts'
import { refusal } from '../support/refusal.ts'

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
/** The same bytes, but for one bit at a place. */
function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}
const failing = (code: string) => Object.assign(new Error('it failed'), { code })

describe('a failure of the disk', () => {
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
  ])('%s is told as one of ours', (code, told) => {
    const { code: ours, message } = storeFailure(failing(code), 'writing it')
    expect(`${ours}: ${message}`).toBe(told)
  })

  it('is told as it is where it is one of ours, and as unknown where nobody knows', () => {
    const ours = new LicensingError('STORE_FULL', 'full')
    expect(storeFailure(ours, 'writing it')).toBe(ours)
    for (const thrown of [null, 'text', undefined, 5])
      expect(storeFailure(thrown, 'writing it').message).toBe('Writing it failed (unknown).')
  })
})

describe('a directory of secrets', () => {
  it('is made for its owner alone, with those above it', () => {
    ensurePrivateDirectory(inside('a/b'))
    expect([modeOf(inside('a')), modeOf(inside('a/b'))]).toEqual(['700', '700'])
    ensurePrivateDirectory(inside('a/b'))
  })

  it('is not one that is open to others, in whatever way, nor a file, nor a link', () => {
    mkdirSync(inside('open'))
    for (const mode of [0o701, 0o702, 0o704, 0o710, 0o720, 0o740]) {
      chmodSync(inside('open'), mode)
      expect(refusal(() => ensurePrivateDirectory(inside('open')))).toBe(
        `DATA_DIR_UNSAFE: ${inside('open')} is open to other users (mode ${mode.toString(8)}).`,
      )
    }
    chmodSync(inside('open'), 0o500)
    checkPrivateDirectory(inside('open'))
    writeFileSync(inside('file'), '')
    symlinkSync(inside('open'), inside('link'))
    for (const name of ['file', 'link'])
      expect(refusal(() => ensurePrivateDirectory(inside(name)))).toContain('is not a directory')
    expect(refusal(() => ensurePrivateDirectory(inside('file/below')))).toBe(
      `DATA_DIR_UNSAFE: ${inside('file/below')} is not a directory.`,
    )
  })

  it('is not another user’s', () => {
    const owner = process.getuid
    process.getuid = () => 12_345
    try {
      expect(refusal(() => checkPrivateDirectory(directory))).toBe(
        `DATA_DIR_UNSAFE: ${directory} belongs to another user.`,
      )
    } finally {
      if (owner) process.getuid = owner
    }
  })

  it('a file is there, or is not, also below what is no directory', () => {
    writeFileSync(inside('file'), '')
    expect(['file', 'none', 'file/below'].map((name) => fileExists(inside(name)))).toEqual([
      true,
      false,
      false,
    ])
    expect(refusal(() => fileExists('x'.repeat(5000)))).toContain('Looking for')
  })

  it('a file is for its owner alone, also where it was open before, and keeps what is in it', () => {
    writeFileSync(inside('file'), 'text', { mode: 0o644 })
    ensurePrivateFile(inside('file'))
    ensurePrivateFile(inside('new'))
    expect([modeOf(inside('file')), modeOf(inside('new'))]).toEqual(['600', '600'])
    expect(readFileSync(inside('file'), 'utf8')).toBe('text')
  })

  it('that cannot be made there says so', () => {
    expect(refusal(() => ensurePrivateDirectory('/proc/none/here'))).toMatch(
      /^STORE_UNWRITABLE: Making the directory \/proc\/none\/here failed/,
    )
  })

  it('is made where it is named from here, and found where it is', () => {
    const named = relative('.', inside('a/b'))
    makeDirectory(named)
    makeDirectory(named)
    expect(modeOf(inside('a/b'))).toBe('700')
    writeFileSync(inside('file'), '')
    expect(() => {
      makeDirectory(inside('file'))
    }).toThrow('EEXIST')
    expect(() => {
      makeDirectory('/proc/none/here')
    }).toThrow('ENOENT')
  })

  it('leaves nothing open', () => {
    const files = new SecretFiles(inside('secrets'))
    const before = readdirSync('/proc/self/fd').length
    for (let i = 0; i < 20; i++) {
      files.put('key', 'text')
      ensurePrivateFile(inside('file'))
    }
    expect(readdirSync('/proc/self/fd').length - before).toBeLessThan(5)
  })

  it('that is gone says so', () => {
    const files = new SecretFiles(inside('secrets'))
    rmSync(inside('secrets'), { recursive: true })
    expect(refusal(() => files.put('key', 'text'))).toContain('Writing a secret failed')
  })

  it('keeps a secret as a file of its own, whole or not at all', () => {
    const files = new SecretFiles(inside('secrets'))
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
    expect(refusal(() => files.put('taken', 'text'))).toContain('riting a secret failed')
    expect(readdirSync(inside('secrets')).sort()).toEqual(['key', 'taken'])
    expect(refusal(() => files.get('none'))).toBe(
      'STORE_UNREADABLE: The secret none is missing from the data directory.',
    )
  })

  it('forgets what nothing refers to', () => {
    const files = new SecretFiles(inside('secrets'))
    for (const name of ['a', 'b', 'c.new']) files.put(name, name)
    files.keepOnly(new Set(['b']))
    expect(readdirSync(inside('secrets'))).toEqual(['b'])
    expect(existsSync(inside('secrets/b'))).toBe(true)
  })
})

describe('files under a passphrase', () => {
  const files = [
    { name: 'first', bytes: Buffer.from('some bytes') },
    { name: 'empty', bytes: Buffer.alloc(0) },
    { name: 'second', bytes: Buffer.alloc(3000, 1) },
  ]
  const lines = async function* () {
    for (const line of ['first', '', 'zweite Zeile: ä 𝄞', 'x'.repeat(200_000)])
      yield await Promise.resolve(line)
  }
  const sealed = async () => {
    const chunks: Buffer[] = []
    await sealLines(lines(), 'passphrase', 'TITLE', (chunk) => void chunks.push(chunk))
    return Buffer.concat(chunks)
  }
  const opened = async (file: Buffer, passphrase = 'passphrase', title = 'TITLE') => {
    const taken: string[] = []
    const good = await openLines(file, passphrase, title, (line) => Promise.resolve(void taken.push(line)))
    return good ? taken : null
  }

  it('are read by it as they were written, and by nothing else', async () => {
    const bundle = await sealFiles(files, 'passphrase ä', 'TITLE')
    expect(bundle.subarray(0, 6).toString()).toBe('TITLE\n')
    expect(await openFiles(bundle, 'passphrase a\u0308', 'TITLE')).toEqual(files)
    expect(await openFiles(bundle, 'another', 'TITLE')).toBeNull()
    expect(await openFiles(bundle, 'passphrase ä', 'OTHER')).toBeNull()
    expect(bundle.includes('some bytes')).toBe(false)
    expect((await sealFiles(files, 'passphrase ä', 'TITLE')).equals(bundle)).toBe(false)
  })

  it('have the key that scrypt gives at their cost', async () => {
    const salt = Buffer.alloc(16, 5)
    const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 28 }
    expect(await keyOf('passphrase', salt)).toEqual(scryptSync('passphrase', salt, 32, cost))
  })

  it('are refused where they were changed or cut, wherever it was', async () => {
    const bundle = await sealFiles(files.slice(0, 1), 'passphrase', 'TITLE')
    // In its title, its salt, its IV, its tag, what is sealed.
    for (const at of [0, 6, 22, 34, 50, bundle.length - 1])
      expect(await openFiles(flipped(bundle, at), 'passphrase', 'TITLE'), String(at)).toBeNull()
    for (const length of [0, 5, 6, 49, 50, bundle.length - 1])
      expect(await openFiles(bundle.subarray(0, length), 'passphrase', 'TITLE'), String(length)).toBeNull()
    expect(await openFiles(Buffer.concat([bundle, Buffer.of(0)]), 'passphrase', 'TITLE')).toBeNull()
  })

  it('of lines are read line by line as they were written, and by nothing else', async () => {
    const file = await sealed()
    const expected: string[] = []
    for await (const line of lines()) expected.push(line)
    expect(await opened(file)).toEqual(expected)
    expect(await opened(file, 'another')).toBeNull()
    expect(await opened(file, 'passphrase', 'OTHER')).toBeNull()
  })

  it('of lines are refused where they were changed or cut', async () => {
    const file = await sealed()
    for (const at of [0, 6, 22, 40, file.length - 1])
      expect(await opened(flipped(file, at)), String(at)).toBeNull()
    for (const length of [0, 5, 33, 34, 49, 50, file.length - 1])
      expect(await opened(file.subarray(0, length)), String(length)).toBeNull()
  })

  it('of lines tell what their reader says of a line, where that is one of our errors', async () => {
    const file = await sealed()
    const refuse = (thrown: Error) => openLines(file, 'passphrase', 'TITLE', () => Promise.reject(thrown))
    const ours = new LicensingError('BACKUP_UNREADABLE', 'a line is not of its form')
    await expect(refuse(ours)).rejects.toBe(ours)
    expect(await refuse(new Error('other'))).toBe(false)
  })

  it('a secret of a database is read by its key alone', () => {
    const key = newSecretKey()
    const stored = sealSecret('Geheimnis ä', key)
    expect(openSecret(stored, key)).toBe('Geheimnis ä')
    expect(sealSecret('Geheimnis ä', key)).not.toBe(stored)
    expect(() => openSecret(stored, newSecretKey())).toThrow()
    const bytes = Buffer.from(stored, 'base64url')
    for (const at of [0, 12, 28]) {
      expect(() => openSecret(flipped(bytes, at).toString('base64url'), key)).toThrow()
    }
  })
})

describe('passwords', () => {
  it('are kept as a hash with its own parameters, of which there are no two', async () => {
    const hash = await hashPassword('correct horse ä')
    expect(hash).toMatch(/^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
    expect(await hashPassword('correct horse ä')).not.toBe(hash)
    expect(await checkPassword('correct horse a\u0308', hash)).toBe(true)
    expect(await checkPassword('correct horse', hash)).toBe(false)
    for (const none of [null, '', 'scrypt$32768$8$3', 'scrypt$32768$8$3$AAAA', hash.slice(0, -3)])
      expect(await checkPassword('correct horse ä', none), String(none)).toBe(false)
  })

  it.each([
    ['elevenchars', 'it has fewer than 12 characters'],
    ['twelve chars', null],
    ['x1'.repeat(128), null],
    [`${'x1'.repeat(128)}y`, 'it has more than 256 characters'],
    ['my Alice in wonder', 'it holds the name of the user'],
    ['aaaaaaaaaaaa', 'it is one of the first that would be tried'],
    ['aaaaaaaaaaaab', null],
    ['PassWord1234567', 'it is one of the first that would be tried'],
    ['not a password1', null],
    ['Letmein-please-now', 'it is one of the first that would be tried'],
    ['012345678901', 'it is one of the first that would be tried'],
    ['BCDEFGHIJKLMN', 'it is one of the first that would be tried'],
    ['bcdefghijklmnx', null],
    ['ends with tooo', null],
  ])('%s: %s', (password, why) => {
    expect(refusal(() => requireStrong(password, 'alice'))).toBe(
      why === null ? 'not refused' : `PASSWORD_WEAK: The password cannot be used: ${why}.`,
    )
  })

  it('are hashed at the cost that is written beside them, and at no other', async () => {
    const [salt, password] = [Buffer.alloc(16, 3), 'correct horse']
    const made = (N: number, r: number, p: number) => {
      const key = scryptSync(password, salt, 32, { N, r, p, maxmem: 2 ** 28 })
      return `$${salt.toString('base64url')}$${key.toString('base64url')}`
    }
    expect(await checkPassword(password, `scrypt$32768$8$3${made(32_768, 8, 3)}`)).toBe(true)
    expect(await checkPassword(password, `scrypt$1024$4$1${made(1024, 4, 1)}`)).toBe(true)
    expect(await checkPassword(password, `scrypt$32768$8$3${made(16_384, 8, 1)}`)).toBe(false)
  })

  it('may hold a name that is hardly one', () => {
    expect(refusal(() => requireStrong('something with bob in it', 'bob'))).toBe('not refused')
    expect(refusal(() => requireStrong('something with bobo in it', 'BoBo'))).toContain('name of the user')
  })

  it('for one use are in groups that can be typed, of which there are no two', () => {
    const made = Array.from({ length: 50 }, oneTimePassword)
    for (const one of made) expect(one).toMatch(/^[a-km-np-z2-9]{5}(-[a-km-np-z2-9]{5}){3}$/)
    expect(new Set(made).size).toBe(50)
  })
})

describe('guesses of a password', () => {
  const { most, window, known } = GUESS_LIMITS
  let now: number
  let guesses: MemoryGuesses
  beforeEach(() => {
    now = 1000
    guesses = new MemoryGuesses(() => now)
  })
  const wrong = async (address: string, count: number) => {
    for (let i = 0; i < count; i++) await guesses.count(address)
  }
  const waitOf = async (address: string) => {
    const counted = await guesses.count(address)
    return 'waitMs' in counted ? counted.waitMs : 0
  }

  it('may be so many of an address within a window, then wait until the first has left it', async () => {
    await guesses.count('a')
    now += 100
    await wrong('a', most - 1)
    expect(await waitOf('b')).toBe(0)
    expect(await waitOf('a')).toBe(window - 100)
    now += window - 101
    expect(await waitOf('a')).toBe(1)
    now += 1
    expect(await waitOf('a')).toBe(0)
    expect(await waitOf('a')).toBe(100)
  })

  it('one that was right does not count, and only that one', async () => {
    await wrong('a', most - 1)
    const takeBack = await beginGuess(guesses, 'a')
    expect(await waitOf('a')).toBe(window)
    await takeBack()
    expect(await waitOf('a')).toBe(0)
    expect(await waitOf('a')).toBe(window)
    await (
      await beginGuess(guesses, 'b')
    )()
    await guesses.takeBack('none', 1)
  })

  it('too many are refused with the time to wait', async () => {
    await wrong('a', most)
    await expect(beginGuess(guesses, 'a')).rejects.toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      retryAfterMs: window,
    })
  })

  it('are known of so many addresses, and the one that guessed longest ago is forgotten first', async () => {
    await wrong('first', most)
    await wrong('second', 1)
    for (let i = 0; i < known - 2; i++) await guesses.count(`other ${i}`)
    expect(await waitOf('first')).toBeGreaterThan(0)
    await guesses.count('second')
    await guesses.count('one more')
    expect(await waitOf('first')).toBe(0)
    await wrong('second', most - 3)
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

  it('is made for its owner alone', () => {
    openDatabase(inside('some.db'), {}).close()
    expect(modeOf(inside('some.db'))).toBe('600')
  })

  it.each([
    ['absent', null],
    ['of another machine', 'not a library'],
  ])('is told as a module that is not built where its native part is %s', (_, content) => {
    const told = refusal(() => openDatabase(inside('some.db'), nativeBinding(content)))
    expect(told.replace('-node22', '')).toBe(
      `STORE_MODULE_ABSENT: The native module better-sqlite3 is not built for Node ${process.versions.node}.`,
    )
  })

  it('is told as it is where something else is wrong', () => {
    expect(() => openDatabase(inside(''), {})).toThrow(/^EISDIR/)
    expect(() => openDatabase(inside('some.db'), { timeout: -1 })).toThrow(TypeError)
  })
})

describe('a database that another process has', () => {
  it('is told from every other failure', () => {
    const [one, two] = [new Database(inside('some.db')), new Database(inside('some.db'), { timeout: 0 })]
    const failure = (work: () => unknown) => {
      try {
        work()
        return null
      } catch (thrown) {
        return thrown
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

describe('a key that is agreed on', () => {
  it('is the same on both sides, another for each reservation, and none with a point that everybody knows', () => {
    const [mine, theirs] = [agreementKey(newSeed(), 1), agreementKey(newSeed(), 1)]
    const key = agreedKey(mine, publicBytes(theirs), 'r')
    expect(key).toEqual(agreedKey(theirs, publicBytes(mine), 'r'))
    expect(key).not.toEqual(agreedKey(mine, publicBytes(theirs), 's'))
    expect(agreedKey(mine, new Uint8Array(32), 'r')).toBeNull()
  })
})

describe('a secret of a webhook', () => {
  const secretOf = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`
  it('is made long enough, and is good as it comes', () => {
    expect(newWebhookSecret()).not.toBe(newWebhookSecret())
    expect(checkWebhookSecret(newWebhookSecret())).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
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
  ])('is not %s', (text) => {
    expect(refusal(() => checkWebhookSecret(text))).toBe(
      'INVALID_ARGUMENT: The secret is not whsec_ and the base64 of 24 to 64 bytes.',
    )
  })
})

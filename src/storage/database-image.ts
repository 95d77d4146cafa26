import { readFileSync } from 'node:fs'
import { errnoCode } from '../core/errno-code.ts'

/** Attempts to read the files of a database that does not change meanwhile. */
const MAX_READS = 20

const WAL_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
/** First word of a write-ahead log whose checksums read words in little-endian order. The next number means big-endian. */
const WAL_MAGIC = 0x377f0682
/** Offset of the two bytes of a database that select its journal: 1 is a rollback journal, 2 a write-ahead log. */
const JOURNAL_OFFSET = 18

/**
 * Reads the last commit of a SQLite database that another process has locked exclusively. Such a process uses no shared
 * memory, so that SQLite itself refuses to read the database. Nothing is written. Do not call this in the process that has
 * the lock: the system releases the locks of a process on a file when the process closes the file.
 *
 * @returns the content of a database without a write-ahead log. Null if the files change at each attempt
 * @throws Error of the file system
 */
export function readDatabaseImage(path: string): Buffer | null {
  const read = () => ({ database: readFileSync(path), wal: readOptionalFile(`${path}-wal`) })
  let before = read()
  for (let i = 0; i < MAX_READS; i++) {
    const after = read()
    if (after.database.equals(before.database) && after.wal.equals(before.wal))
      return applyWriteAheadLog(after.database, after.wal)
    before = after
  }
  return null
}

function readOptionalFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

/**
 * Applies the committed frames of a write-ahead log, as SQLite does after a crash.
 *
 * @see https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
function applyWriteAheadLog(database: Buffer, wal: Buffer): Buffer {
  const log = openLog(wal)
  const pages = new Map<number, Buffer>()
  let pending: [page: number, content: Buffer][] = []
  let pageCount: number | null = null
  for (let frame = log?.nextFrame() ?? null; frame !== null; frame = log?.nextFrame() ?? null) {
    pending.push([frame.page, frame.content])
    if (frame.pageCount === 0) continue
    for (const [page, content] of pending) pages.set(page, content)
    pending = []
    pageCount = frame.pageCount
  }
  const image =
    pageCount === null || log === null ? Buffer.from(database) : Buffer.alloc(pageCount * log.pageSize)
  if (pageCount !== null) database.copy(image)
  for (const [page, content] of pages) content.copy(image, (page - 1) * content.length)
  if (image.length > 0) image.fill(1, JOURNAL_OFFSET, JOURNAL_OFFSET + 2)
  return image
}

interface Frame {
  /** Number of the page, from 1. */
  readonly page: number
  readonly content: Buffer
  /** Pages of the database after the commit that this frame ends. 0 for another frame. */
  readonly pageCount: number
}

/** Opens a write-ahead log. Returns null for an empty one, and for one whose header is not valid. */
function openLog(wal: Buffer): { pageSize: number; nextFrame: () => Frame | null } | null {
  if (wal.length < WAL_HEADER_BYTES) return null
  const magic = wal.readUInt32BE(0)
  if (magic !== WAL_MAGIC && magic !== WAL_MAGIC + 1) return null
  const isBigEndian = magic === WAL_MAGIC + 1
  const pageSize = wal.readUInt32BE(8)
  const salt = wal.subarray(16, 24)
  let checksum = computeChecksum([0, 0], wal.subarray(0, 24), isBigEndian)
  const isChecksum = (offset: number) =>
    checksum[0] === wal.readUInt32BE(offset) && checksum[1] === wal.readUInt32BE(offset + 4)
  if (!isChecksum(24)) return null
  let offset = WAL_HEADER_BYTES
  const nextFrame = (): Frame | null => {
    const header = offset
    const end = header + FRAME_HEADER_BYTES + pageSize
    // Frames of an older generation of the log have another salt.
    if (end > wal.length || !wal.subarray(header + 8, header + 16).equals(salt)) return null
    const content = wal.subarray(header + FRAME_HEADER_BYTES, end)
    checksum = computeChecksum(checksum, wal.subarray(header, header + 8), isBigEndian)
    checksum = computeChecksum(checksum, content, isBigEndian)
    if (!isChecksum(header + 16)) return null
    offset = end
    return { page: wal.readUInt32BE(header), content, pageCount: wal.readUInt32BE(header + 4) }
  }
  return { pageSize, nextFrame }
}

function computeChecksum(
  [first, second]: readonly [number, number],
  bytes: Buffer,
  isBigEndian: boolean,
): [number, number] {
  const read = (offset: number) => (isBigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset))
  let [a, b] = [first, second]
  for (let i = 0; i < bytes.length; i += 8) {
    a = (a + read(i) + b) >>> 0
    b = (b + read(i + 4) + a) >>> 0
  }
  return [a, b]
}

import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'

/** List of a response that is written in slices. */
export class StreamedList<T> {
  readonly slices: AsyncIterable<readonly T[]>

  constructor(slices: AsyncIterable<readonly T[]>) {
    this.slices = slices
  }
}

/** Items of a list that are converted and written in one turn of the event loop. */
const SLICE_SIZE = 200

/** Returns a list that is converted and written in slices. */
export function streamList<T, E>(list: readonly T[], convert: (item: T) => E): StreamedList<E> {
  async function* slices() {
    for (let from = 0; from < list.length; from += SLICE_SIZE) {
      await nextTurn()
      yield list.slice(from, from + SLICE_SIZE).map(convert)
    }
  }
  return new StreamedList(slices())
}

/** Text of a response that is written in parts. */
export class StreamedText {
  readonly parts: AsyncIterable<string>

  constructor(parts: AsyncIterable<string>) {
    this.parts = parts
  }
}

type Streamed<T> = {
  readonly [K in keyof T]:
    T[K] | (T[K] extends readonly (infer E)[] ? StreamedList<E> : T[K] extends string ? StreamedText : never)
}

/**
 * JSON response whose long lists and texts are read and written in parts, so that a large response stops no other work. The
 * first part is read before the response begins, so that its failure is answered with an error. A later failure ends the
 * connection.
 */
export class JsonStream<T extends object> {
  readonly #parts: AsyncGenerator<string>

  constructor(value: Streamed<T>) {
    this.#parts = writeObject(value)
  }

  /** Returns the response as a stream. */
  async open(): Promise<Readable> {
    const parts = this.#parts
    const first = await parts.next()
    return Readable.from(
      (async function* () {
        if (first.done !== true) yield first.value
        yield* parts
      })(),
      { objectMode: false, highWaterMark: HIGH_WATER_MARK },
    )
  }
}

/** Answers a request with a response or a stream. */
export async function sendAnswer(reply: FastifyReply, answer: unknown): Promise<unknown> {
  if (!(answer instanceof JsonStream)) return answer
  const stream = await (answer as JsonStream<object>).open()
  return reply.type('application/json; charset=utf-8').send(stream)
}

const HIGH_WATER_MARK = 64 * 1024

async function* writeObject(value: object): AsyncGenerator<string> {
  // Small parts are joined, because each part is a chunk of the response.
  let text = '{'
  let isFirst = true
  for (const [key, field] of Object.entries(value) as [string, unknown][]) {
    if (field === undefined) continue
    text += `${isFirst ? '' : ','}${JSON.stringify(key)}:`
    isFirst = false
    if (field instanceof StreamedList) {
      text += '['
      let separator = ''
      for await (const slice of field.slices as AsyncIterable<readonly unknown[]>) {
        if (slice.length === 0) continue
        yield text + separator + JSON.stringify(slice).slice(1, -1)
        text = ''
        separator = ','
      }
      text += ']'
    } else if (field instanceof StreamedText) {
      text += '"'
      for await (const part of field.parts) {
        yield text + JSON.stringify(part).slice(1, -1)
        text = ''
      }
      text += '"'
    } else text += JSON.stringify(field)
  }
  yield `${text}}`
}

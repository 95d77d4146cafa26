// Boxes that do not give up: each registers and changes what it uses, over and over, at whichever address answers; what was not
// answered is asked again in the same words, and what was answered is now and then asked again to see whether the answer is
// the same. They go on until standard input ends. Prints the number of answers at each of them, a line each; and in the
// end a line of what came of it, with the sum of what each uses, as it was told.
//   node bench/clients.mjs '{"ports":[…],"token":"…","root":"…","boxes":64}'
import { connection, authorization, newBox, registration } from './load.mjs'

const { ports, token, root, boxes } = JSON.parse(process.argv[2])
let over = false
process.stdin.resume().once('end', () => (over = true))
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const tally = { exchanges: 0, repeated: 0, lost: 0, differed: 0 }

/** One request until it is answered, at one address after the other. */
async function ask(box, make) {
  for (;;) {
    const { path, body, taken } = make
    const road = connection({ port: ports[Math.floor(Math.random() * ports.length)] })
    const late = setTimeout(() => road.close('no answer'), 15_000)
    try {
      const { status, body: answer } = await road.post(path, body)
      if (status === 200) {
        console.log(String(++tally.exchanges))
        return taken(answer)
      }
      if (status < 500) throw Object.assign(new Error(`answered ${status}: ${answer}`), { final: true })
    } catch (thrown) {
      if (thrown.final) throw thrown
    } finally {
      clearTimeout(late)
      road.close()
    }
    tally.lost++
    await pause(50 + Math.random() * 200)
  }
}

async function live(i) {
  const box = await newBox(`CLIENT-${i}`)
  await ask(box, await registration(box, { token, root }))
  let count = 0
  while (!over) {
    count = Math.floor(Math.random() * 4)
    const request = await authorization(box, count)
    const first = await ask(box, request)
    if (Math.random() < 0.2) {
      tally.repeated++
      const again = await ask(box, request)
      if (JSON.stringify(again.decision) !== JSON.stringify(first.decision)) tally.differed++
    }
  }
  return count
}

const counts = await Promise.all(Array.from({ length: boxes }, (_, i) => live(i)))
console.log(JSON.stringify({ ...tally, inUse: counts.reduce((sum, count) => sum + count, 0) }))

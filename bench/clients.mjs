// Simulates devices that register once and then change their usage repeatedly, at randomly chosen addresses of one
// authority. An unanswered request is repeated unchanged. Some answered requests are repeated too, to compare both answers.
// The devices stop when standard input ends. Prints the number of exchanges after each one, and a JSON summary at the end.
//   node bench/clients.mjs '{"ports":[…],"token":"…","root":"…","devices":64}'
import { connection, authorization, createDevice, registration } from './load.mjs'

const { ports, token, root, devices } = JSON.parse(process.argv[2])
let over = false
process.stdin.resume().once('end', () => (over = true))
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const tally = { exchanges: 0, repeated: 0, lost: 0, differed: 0 }

/** Repeats a request at random addresses until it is answered. */
async function ask(request) {
  for (;;) {
    const { path, body, onAnswer } = request
    const client = connection({ port: ports[Math.floor(Math.random() * ports.length)] })
    const timer = setTimeout(() => client.close('no answer'), 15_000)
    try {
      const { status, body: answer } = await client.post(path, body)
      if (status === 200) {
        console.log(String(++tally.exchanges))
        return onAnswer(answer)
      }
      if (status < 500) throw Object.assign(new Error(`answered ${status}: ${answer}`), { final: true })
    } catch (error) {
      if (error.final) throw error
    } finally {
      clearTimeout(timer)
      client.close()
    }
    tally.lost++
    await pause(50 + Math.random() * 200)
  }
}

async function runDevice(i) {
  const device = await createDevice(`CLIENT-${i}`)
  await ask(await registration(device, { token, root }))
  let count = 0
  while (!over) {
    count = Math.floor(Math.random() * 4)
    const request = await authorization(device, count)
    const first = await ask(request)
    if (Math.random() < 0.2) {
      tally.repeated++
      const again = await ask(request)
      if (JSON.stringify(again.decision) !== JSON.stringify(first.decision)) tally.differed++
    }
  }
  return count
}

const counts = await Promise.all(Array.from({ length: devices }, (_, i) => runDevice(i)))
console.log(JSON.stringify({ ...tally, inUse: counts.reduce((sum, count) => sum + count, 0) }))

import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'

/**
 * A line of its own between this machine and a network namespace, in which programs are run: real packets, which the kernel
 * loses, holds back, or does not get at all. Needs root. The addresses are those that are kept for such trials (RFC 2544).
 */
export function createNetworkNamespace() {
  const id = randomInt(1 << 24)
    .toString(16)
    .padStart(6, '0')
  const network = `sla-${id}`
  const ends = { here: `slah${id}`, there: `slat${id}` }
  const part = `198.${18 + randomInt(2)}.${randomInt(256)}.${4 * randomInt(64)}`
  const address = (host: number) => part.replace(/\d+$/, (last) => String(Number(last) + host))
  const ip = (...words: string[]) => execFileSync('ip', words, { encoding: 'utf8' })
  const there = (...words: string[]) => ip('netns', 'exec', network, ...words)

  ip('netns', 'add', network)
  ip('link', 'add', ends.here, 'type', 'veth', 'peer', 'name', ends.there, 'netns', network)
  ip('addr', 'add', `${address(1)}/30`, 'dev', ends.here)
  ip('link', 'set', ends.here, 'up')
  ip('-n', network, 'addr', 'add', `${address(2)}/30`, 'dev', ends.there)
  ip('-n', network, 'link', 'set', 'lo', 'up')
  ip('-n', network, 'link', 'set', ends.there, 'up')

  return {
    /** The namespace, for `network` of what is run. */
    network,
    /** This machine, as it is called from there. */
    host: address(1),
    /** So many of a hundred packets are lost, in each direction. */
    lose: (percent: number) => {
      there(
        'nft',
        [
          'add table ip line',
          ...['input', 'output'].flatMap((hook) => [
            `add chain ip line ${hook} { type filter hook ${hook} priority 0; }`,
            `flush chain ip line ${hook}`,
            `add rule ip line ${hook} oifname != "lo" iifname != "lo" numgen random mod 100 < ${percent} counter drop`,
          ]),
        ].join('; '),
      )
    },
    /** How many packets were lost since `lose`. */
    lost: () =>
      [...there('nft', 'list', 'table', 'ip', 'line').matchAll(/packets (\d+)/g)].reduce(
        (sum, [, packets]) => sum + Number(packets),
        0,
      ),
    /** So many kilobits pass in a second; what is more waits for up to a second. */
    slow: (kilobits: number) => {
      const words = ['root', 'tbf', 'rate', `${kilobits}kbit`, 'burst', '2kb', 'latency', '1s']
      execFileSync('tc', ['qdisc', 'replace', 'dev', ends.here, ...words])
      there('tc', 'qdisc', 'replace', 'dev', ends.there, ...words)
    },
    /** The cable is out: nobody is told, packets go nowhere. */
    unplug: () => ip('link', 'set', ends.here, 'down'),
    plug: () => {
      ip('link', 'set', ends.here, 'up')
    },
    /** The end here goes with the one there. */
    close: () => ip('netns', 'del', network),
  }
}

export type NetworkNamespace = ReturnType<typeof createNetworkNamespace>

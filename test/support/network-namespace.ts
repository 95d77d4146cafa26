import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'

/**
 * Creates a virtual Ethernet link between this machine and a network namespace for programs. The kernel can drop or delay its
 * packets, and the link can be cut. Requires root. The addresses are from the range for benchmark tests (RFC 2544).
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
    /** Name of the namespace, for the `network` option of programs. */
    network,
    /** Address of this machine on the link. */
    host: address(1),
    /** Drops a percentage of the packets in each direction. */
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
    /** Returns the number of packets dropped since `lose`. */
    lost: () =>
      [...there('nft', 'list', 'table', 'ip', 'line').matchAll(/packets (\d+)/g)].reduce(
        (sum, [, packets]) => sum + Number(packets),
        0,
      ),
    /** Limits the link to a rate in kbit/s. Packets wait for up to one second. */
    slow: (kilobits: number) => {
      const words = ['root', 'tbf', 'rate', `${kilobits}kbit`, 'burst', '2kb', 'latency', '1s']
      execFileSync('tc', ['qdisc', 'replace', 'dev', ends.here, ...words])
      there('tc', 'qdisc', 'replace', 'dev', ends.there, ...words)
    },
    /** Takes the link down without any notice to open connections. */
    unplug: () => ip('link', 'set', ends.here, 'down'),
    plug: () => {
      ip('link', 'set', ends.here, 'up')
    },
    /** Deletes the namespace, and with it both ends of the link. */
    close: () => ip('netns', 'del', network),
  }
}

export type NetworkNamespace = ReturnType<typeof createNetworkNamespace>

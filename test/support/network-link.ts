import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'

/**
 * Creates two network namespaces for programs, one for servers and one for devices, and a virtual Ethernet link between them.
 * The kernel can drop or delay its packets, and the link can be cut. Requires root. The addresses are from the range for
 * benchmark tests (RFC 2544). The network of the machine itself does not change, because browsers cancel requests when it does.
 */
export function createNetworkLink() {
  const id = randomInt(1 << 24)
    .toString(16)
    .padStart(6, '0')
  const server = `sla-server-${id}`
  const device = `sla-device-${id}`
  /** Name of the interface in both namespaces. */
  const port = 'link0'
  const part = `198.${18 + randomInt(2)}.${randomInt(256)}.${4 * randomInt(64)}`
  const address = (host: number) => part.replace(/\d+$/, (last) => String(Number(last) + host))
  const ip = (...words: string[]) => execFileSync('ip', words, { encoding: 'utf8' })
  const there = (...words: string[]) => ip('netns', 'exec', device, ...words)

  ip('netns', 'add', server)
  ip('netns', 'add', device)
  ip('-n', server, 'link', 'add', port, 'type', 'veth', 'peer', 'name', port, 'netns', device)
  for (const [network, host] of [
    [server, 1],
    [device, 2],
  ] as const) {
    ip('-n', network, 'addr', 'add', `${address(host)}/30`, 'dev', port)
    ip('-n', network, 'link', 'set', 'lo', 'up')
    ip('-n', network, 'link', 'set', port, 'up')
  }

  return {
    /** Namespace of servers, for the `network` option of programs. */
    server,
    /** Namespace of devices, for the `network` option of programs. */
    device,
    /** Address of the servers on the link. */
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
            ...(percent === 0
              ? []
              : [
                  `add rule ip line ${hook} oifname != "lo" iifname != "lo" ${percent === 100 ? '' : `numgen random mod 100 < ${percent}`} counter drop`,
                ]),
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
    /** Drops all packets of the TCP connections that devices have now. New connections work. */
    silenceConnections: () => {
      const ports = there('ss', '-tnH', 'state', 'established')
        .split('\n')
        .flatMap((line) => /:(\d+)\s/.exec(line.trim().replace(/^\d+\s+\d+\s+/, ''))?.[1] ?? [])
      if (ports.length === 0) throw new Error('There are no connections.')
      there(
        'nft',
        [
          'add table ip silence',
          ...['input', 'output'].flatMap((hook) => [
            `add chain ip silence ${hook} { type filter hook ${hook} priority 0; }`,
            `add rule ip silence ${hook} oifname != "lo" iifname != "lo" tcp ${hook === 'input' ? 'dport' : 'sport'} { ${ports.join(', ')} } drop`,
          ]),
        ].join('; '),
      )
    },
    /** Limits the link to a rate in kbit/s. Packets wait for up to one second. */
    slow: (kilobits: number) => {
      const words = ['root', 'tbf', 'rate', `${kilobits}kbit`, 'burst', '2kb', 'latency', '1s']
      for (const network of [server, device])
        ip('netns', 'exec', network, 'tc', 'qdisc', 'replace', 'dev', port, ...words)
    },
    /** Takes the link down without any notice to open connections. */
    unplug: () => ip('-n', server, 'link', 'set', port, 'down'),
    plug: () => {
      ip('-n', server, 'link', 'set', port, 'up')
    },
    /** Deletes the namespaces, and with them both ends of the link. */
    close: () => {
      ip('netns', 'del', device)
      ip('netns', 'del', server)
    },
  }
}

export type NetworkLink = ReturnType<typeof createNetworkLink>

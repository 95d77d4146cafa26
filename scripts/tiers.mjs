/** Test tiers, with their vitest projects and requirements. */
export const tiers = {
  quick: {
    command: 'npm test',
    projects: ['quick', 'isolated'],
    system: false,
    covers:
      'machines, protocol, agent, authority, consoles and both programs; needs only Node, under 3 minutes',
  },
  long: {
    command: 'npm run test:long',
    projects: ['long', 'no-heartbeat'],
    system: false,
    covers:
      'failure matrix, simulations, planted bugs, models, tampering, packing; needs only Node, some minutes',
  },
  system: {
    command: 'npm run test:system',
    projects: ['system', 'postgres'],
    system: true,
    covers: 'clocks, proxies, PostgreSQL, browsers, networks and other TLS stacks; needs Debian packages',
  },
  release: {
    command: 'npm run test:release',
    projects: ['heavy', 'also-postgres', 'also-no-heartbeat'],
    system: true,
    covers: 'all heavy tests, of which other tiers run a sample; needs Debian packages, about an hour',
  },
}

/**
 * Tools of the system tier: a program on the path, a file (`*` stands for one folder name) or a Perl module, and the Debian
 * package that brings it.
 */
export const systemTools = [
  { program: 'faketime', package: 'faketime' },
  { program: 'mount', package: 'mount' },
  { program: 'unshare', package: 'util-linux' },
  { program: 'ip', package: 'iproute2' },
  { program: 'tc', package: 'iproute2' },
  { program: 'nft', package: 'nftables' },
  { program: 'bash', package: 'bash' },
  { program: 'curl', package: 'curl' },
  { program: 'python3', package: 'python3' },
  // On Node 20, npm compiles SQLite with these.
  { program: 'make', package: 'make' },
  { program: 'g++', package: 'g++' },
  { program: 'openssl', package: 'openssl' },
  { program: 'age', package: 'age' },
  { program: 'script', package: 'bsdutils' },
  { program: 'zbarimg', package: 'zbar-tools' },
  { program: 'certtool', package: 'gnutls-bin' },
  { program: 'gnutls-cli', package: 'gnutls-bin' },
  { program: 'go', package: 'golang-go' },
  { program: 'java', package: 'default-jre-headless' },
  { file: '/usr/lib/python3/dist-packages/cryptography', package: 'python3-cryptography' },
  { file: '/usr/lib/python3/dist-packages/requests', package: 'python3-requests' },
  { program: 'squid', package: 'squid' },
  { program: 'apache2', package: 'apache2' },
  { program: 'htpasswd', package: 'apache2-utils' },
  { program: 'chromium', package: 'chromium' },
  { file: '/usr/lib/postgresql/*/bin/initdb', package: 'postgresql' },
  { program: 'pgbouncer', package: 'pgbouncer' },
  { file: '/usr/lib/nagios/plugins/centreon_plugins.pl', package: 'centreon-plugins' },
  // The Centreon plugins only recommend these Perl modules.
  { perl: 'LWP::UserAgent', package: 'libwww-perl' },
  { perl: 'LWP::Protocol::https', package: 'liblwp-protocol-https-perl' },
  { perl: 'JSON::XS', package: 'libjson-xs-perl' },
]

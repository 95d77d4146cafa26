// The two programs run from a checkout as they do when installed.
import { chmodSync, existsSync } from 'node:fs'

for (const file of ['dist/src/cli/smart-agent.js', 'dist/src/cli/smart-authority.js']) {
  if (existsSync(file)) chmodSync(file, 0o755)
}

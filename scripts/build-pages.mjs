// Builds the web consoles and the inspector into dist/pages, in one build, so that they share their packages. Each asset is also compressed.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { build } from 'vite'

const PAGES = ['device', 'manager', 'inspector']

const outDir = resolve('dist/pages')
await build({
  configFile: false,
  root: resolve('src/web'),
  base: '/',
  logLevel: 'warn',
  plugins: [react()],
  html: { cspNonce: '__NONCE__' },
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    license: { fileName: 'THIRD-PARTY-NOTICES.md' },
    rolldownOptions: { input: PAGES.map((page) => resolve('src/web', page, 'index.html')) },
  },
})
const assets = join(outDir, 'assets')
for (const name of readdirSync(assets)) {
  const bytes = readFileSync(join(assets, name))
  writeFileSync(join(assets, `${name}.gz`), gzipSync(bytes, { level: 9 }))
  writeFileSync(join(assets, `${name}.br`), brotliCompressSync(bytes))
}

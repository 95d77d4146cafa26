import { createHash } from 'node:crypto'

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; --line: light-dark(#d5dae3, #2c3342); --dim: light-dark(#566072, #9aa5b8); --card: light-dark(#fff, #151a24); --on: light-dark(#b42318, #ff9b8f); --on-tint: light-dark(#fdecea, #3a1714); }
html { scroll-padding-top: 80px; }
body { margin: 0; background: light-dark(#f7f8fa, #0d1119); }
header { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: baseline; padding: 14px 20px; border-bottom: 1px solid var(--line); background: var(--card); }
h1 { font-size: 18px; margin: 0; }
h2 { font-size: 15px; margin: 20px 0 8px; }
main { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 0 28px; padding: 0 20px 24px; }
.came { grid-column: 2; grid-row: 1; position: sticky; top: 64px; align-self: start; }
@media (max-width: 800px) {
  main { grid-template-columns: minmax(0, 1fr); }
  .came { grid-column: 1; position: static; }
  .came tr:nth-child(n + 5) { display: none; }
}
.faults { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 8px; }
.faults button { display: flex; flex-direction: column; justify-content: flex-start; text-align: left; padding: 8px 10px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: inherit; font: inherit; cursor: pointer; }
.faults button[aria-pressed=true] { border-color: var(--on); background: var(--on-tint); }
.faults b { display: block; }
code { font-size: 12px; color: var(--dim); }
.faults span { color: var(--dim); font-size: 13px; }
button.clear { font: inherit; padding: 5px 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: inherit; cursor: pointer; }
table { width: 100%; border-collapse: collapse; font-size: 13.5px; }
th, td { text-align: left; padding: 4px 8px 4px 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--dim); font-weight: 600; }
[role=status] { color: var(--on); font-weight: 600; }
:focus-visible { outline: 2px solid light-dark(#2452d6, #8fb0ff); outline-offset: 2px; }
`

const SCRIPT = `
const bearer = location.hash.slice(1)
const places = { answer: 'Answers of the license server', connection: 'Connections', proxy: 'Proxies' }
const byId = (id) => document.getElementById(id)
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text })
const call = async (method, path, body) => {
  const request = { method, headers: { authorization: 'Bearer ' + bearer, ...(body && { 'content-type': 'application/json' }) }, ...(body && { body: JSON.stringify(body) }) }
  const response = await fetch(path, request).catch(() => { throw new Error('The lab does not answer.') })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error.message)
  return answer
}
const say = (text) => { if (byId('status').textContent !== text) byId('status').textContent = text }
let active = []
let changes = 0
const nameOf = (fault) => (typeof fault === 'string' ? fault : fault.fault)
const show = (chaos) => {
  active = chaos.faults
  const names = active.map(nameOf)
  for (const button of document.querySelectorAll('.faults button')) button.setAttribute('aria-pressed', String(names.includes(button.dataset.name)))
  say(names.length === 0 ? '' : 'On: ' + names.join(', '))
}
const change = async (...request) => {
  changes++
  show(await call(...request))
  changes++
}
const toggle = async (fault) => {
  const names = active.map(nameOf)
  const isOfNetwork = (name) => catalog.find((known) => known.name === name).place !== 'answer'
  const rest = active.filter((other) => nameOf(other) !== fault.name && !(fault.place !== 'answer' && isOfNetwork(nameOf(other))))
  const plan = fault.name === 'delay' ? { fault: 'delay', delay: 2000 } : fault.name
  await change('PUT', 'chaos', { faults: names.includes(fault.name) ? rest : [...rest, plan] })
}
const guard = (work) => () => work().catch((error) => say(error.message))
let catalog = []
const createRow = (cells) => {
  const row = element('tr', '')
  row.append(...cells.map((cell) => element('td', cell)))
  return row
}
const fill = (id, rows) => {
  const body = byId(id)
  const content = JSON.stringify(rows)
  if (body.dataset.content === content) return
  body.dataset.content = content
  const none = element('td', 'None yet')
  none.colSpan = 4
  const empty = element('tr', '')
  empty.append(none)
  body.replaceChildren(...(rows.length === 0 ? [empty] : rows.map(createRow)))
}
const watch = async () => {
  const before = changes
  const [chaos, { requests }, { tunnels }] = await Promise.all([call('GET', 'chaos'), call('GET', 'requests'), call('GET', 'tunnels')])
  // An answer from before a click would show the old faults again.
  if (before === changes) show(chaos)
  fill('requests', requests.slice(-12).reverse().map(({ at, type, fault, status }) => [at.slice(11, 19), type, fault ?? '', status === null ? 'no answer' : String(status)]))
  fill('tunnels', tunnels.slice(-6).reverse().map(({ target, username, status }) => [target, username ?? '', status === null ? 'no answer' : String(status)]))
}
const start = async () => {
  catalog = await call('GET', 'faults')
  for (const [place, title] of Object.entries(places)) {
    const grid = element('div', '')
    grid.className = 'faults'
    for (const fault of catalog.filter((known) => known.place === place)) {
      const button = element('button', '')
      button.type = 'button'
      button.dataset.name = fault.name
      button.setAttribute('aria-pressed', 'false')
      button.append(element('b', fault.name), element('span', fault.meaning[0].toUpperCase() + fault.meaning.slice(1) + '.'), ...(fault.code ? [element('code', fault.code)] : []))
      button.addEventListener('click', guard(() => toggle(fault)))
      grid.append(button)
    }
    byId('catalog').append(element('h2', title), grid)
  }
  byId('clear').addEventListener('click', guard(() => change('DELETE', 'chaos')))
  await watch()
  setInterval(guard(watch), 1000)
}
addEventListener('hashchange', () => location.reload())
guard(start)()
`

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Content Security Policy of the page: its own script and style, and calls to its own server. */
export const LAB_PAGE_POLICY = `default-src 'none'; script-src ${hash(SCRIPT)}; style-src ${hash(STYLE)}; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`

/** Page that switches faults while one watches the requests. The bearer token is in the fragment of its URL. */
export const LAB_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Licensing lab</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header><h1>Licensing lab</h1><button type="button" class="clear" id="clear">Switch all faults off</button><span role="status" id="status"></span></header>
<main>
<section class="came" aria-label="What came">
<h2>Requests to the license server</h2>
<table><thead><tr><th>Time (UTC)</th><th>Request</th><th>Fault</th><th>Answer</th></tr></thead><tbody id="requests"></tbody></table>
<h2>Tunnels through the proxies</h2>
<table><thead><tr><th>To</th><th>User</th><th>Answer</th></tr></thead><tbody id="tunnels"></tbody></table>
</section>
<section id="catalog" aria-label="Faults"></section>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`

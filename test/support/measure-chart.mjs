// Measures the drawn chart in the browser. `page.evaluate` runs the function below with this file's text.
;(() => {
  const canvas = document.querySelector('.ins-canvas').getBoundingClientRect()
  const zoom = new DOMMatrix(getComputedStyle(document.querySelector('.react-flow__viewport')).transform).a
  const isHidden = (element) => {
    const { visibility, display } = getComputedStyle(element)
    return (
      visibility === 'hidden' ||
      display === 'none' ||
      element.closest('.mantine-VisuallyHidden-root, .ins-search-field')
    )
  }
  const isInView = (box) =>
    box.width > 1 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth
  const doOverlap = (a, b) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1

  const sizes = []
  const walker = document.createTreeWalker(document.querySelector('.inspector'), NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (walker.currentNode.data.trim() === '' || !element || isHidden(element)) continue
    if (!isInView(element.getBoundingClientRect())) continue
    const scale = element.closest('.react-flow__viewport') ? zoom : 1
    sizes.push({ px: parseFloat(getComputedStyle(element).fontSize) * scale, text: walker.currentNode.data })
  }

  /** Points along a line, in pixels of the page. */
  const toPoints = (group) => {
    const path = group.querySelector('.ins-line-path')
    const matrix = path.getScreenCTM()
    const length = path.getTotalLength()
    return Array.from({ length: Math.ceil(length / 3) + 1 }, (_, i) => {
      const { x, y } = path.getPointAtLength(Math.min(length, i * 3))
      return { x: matrix.a * x + matrix.e, y: matrix.d * y + matrix.f }
    })
  }
  const lines = [...document.querySelectorAll('.ins-lines .ins-line')].map((group) => ({
    key: group.dataset.line,
    points: toPoints(group),
  }))
  const isIn = ({ x, y }, box) =>
    x > box.left + 1 && x < box.right - 1 && y > box.top + 1 && y < box.bottom - 1
  /** Text of a label without the padding of its plate. */
  const toTextBox = (label) => {
    const boxes = [...label.querySelectorAll('span')].map((row) => {
      const range = document.createRange()
      range.selectNodeContents(row)
      return range.getBoundingClientRect()
    })
    return {
      left: Math.min(...boxes.map(({ left }) => left)),
      right: Math.max(...boxes.map(({ right }) => right)),
      top: Math.min(...boxes.map(({ top }) => top)),
      bottom: Math.max(...boxes.map(({ bottom }) => bottom)),
    }
  }
  const labels = [...document.querySelectorAll('.ins-label')].map((label) => ({
    name: label.textContent,
    own: label.dataset.label.includes(':')
      ? label.dataset.label
          .split(':')[1]
          .split(',')
          .map((id) => `${label.dataset.label.split(':')[0]}:${id}`)
      : label.dataset.label.split(','),
    box: toTextBox(label),
  }))
  const states = [...document.querySelectorAll('.ins-state')].map((state) => ({
    name: state.dataset.stateId,
    box: state.getBoundingClientRect(),
  }))
  const exits = [...document.querySelectorAll('.ins-exit')].map((exit) => ({
    name: exit.textContent,
    box: exit.getBoundingClientRect(),
  }))
  const overlaps = labels.flatMap(({ name, own, box }, i) => {
    const mine = lines.filter(({ key }) => own.includes(key)).flatMap(({ points }) => points)
    const isShared = (point) => mine.some(({ x, y }) => Math.hypot(x - point.x, y - point.y) < 3)
    return [
      ...labels
        .slice(i + 1)
        .filter((other) => doOverlap(box, other.box))
        .map((other) => `${name} / ${other.name}`),
      ...[...states, ...exits]
        .filter((other) => doOverlap(box, other.box))
        .map((other) => `${name} / ${other.name}`),
      ...lines
        .filter(
          ({ key, points }) =>
            !own.includes(key) && points.some((point) => isIn(point, box) && !isShared(point)),
        )
        .map(({ key }) => `${name} / line ${key}`),
    ]
  })
  overlaps.push(
    ...exits.flatMap(({ name, box }) =>
      states.filter((state) => doOverlap(box, state.box)).map((state) => `exit ${name} / ${state.name}`),
    ),
  )
  const tooWide = [...document.querySelectorAll('.ins-state, .ins-frame-title')]
    .filter(
      (element) =>
        element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 2,
    )
    .map((element) => element.textContent)
  const active = document.querySelector('.ins-state[data-active]')?.getBoundingClientRect()
  const smallest = sizes.toSorted((a, b) => a.px - b.px)[0]
  return {
    zoom: Math.round(zoom * 1000) / 1000,
    smallest: { px: Math.round(smallest.px * 100) / 100, text: smallest.text },
    overlaps,
    tooWide,
    isActiveVisible:
      active !== undefined &&
      active.left >= canvas.left &&
      active.right <= canvas.right &&
      active.top >= canvas.top &&
      active.bottom <= canvas.bottom,
  }
})()

import type { Page } from 'playwright-core'

/** Script of the page, as text, because the tests are compiled without the types of a browser. */
const FIND_FAULTS = `(() => {
    const root = document.querySelector('.ins-view')
    const walker = document.createTreeWalker(root ?? document.body, NodeFilter.SHOW_TEXT)
    const labels = []
    const small = []
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement
      const text = node.textContent.trim()
      if (!element || text === '' || element.closest('option') || !element.checkVisibility()) continue
      const range = document.createRange()
      range.selectNodeContents(node)
      const box = range.getBoundingClientRect()
      // Text for screen readers alone is clipped to a pixel.
      const clipped = element.closest('.ins-sequence-table, .mantine-VisuallyHidden-root')
      if (box.width < 2 || (clipped && clipped.getBoundingClientRect().width < 2)) continue
      if (parseFloat(getComputedStyle(element).fontSize) < 12) small.push(text)
      if (element.closest('.ins-band, .ins-sequence-drawing, .ins-what-if-lanes'))
        labels.push({ text, box, element })
    }
    const overlapping = labels.flatMap((one, i) =>
      labels.slice(i + 1).flatMap((other) => {
        const width = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left)
        const height = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top)
        return width > 1 && height > 3 ? [one.text + ' / ' + other.text] : []
      }),
    )
    return { small, overlapping }
})()`

/** Faults of the texts of a view: those smaller than 12 pixels, and labels that cover one another. */
export interface LabelFaults {
  readonly small: readonly string[]
  readonly overlapping: readonly string[]
}

export const findLabelFaults = (page: Page): Promise<LabelFaults> => page.evaluate<LabelFaults>(FIND_FAULTS)

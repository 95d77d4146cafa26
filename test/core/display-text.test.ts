import { describe, expect, it } from 'vitest'
import { isVisibleText, normalizeName, toDisplayLines, toNameKey } from '../../src/core/display-text.ts'

describe('text of other machines', () => {
  it('loses the characters that change a terminal, and keeps lines and tabs where there are several', () => {
    expect(toDisplayLines('a\u001b]0;title\u0007b\u009b2Jc\u202ed\r')).toBe(
      'a\ufffd]0;title\ufffdb\ufffd2Jc\ufffdd\ufffd',
    )
    expect(toDisplayLines('one\n\ttwo')).toBe('one\n\ttwo')
    expect(toDisplayLines('lone \ud800 surrogate, Zürich ✓ 日本語')).toBe(
      'lone \ufffd surrogate, Zürich ✓ 日本語',
    )
  })
})

describe('names', () => {
  it('have no control, invisible, private or unassigned characters and no lone surrogates', () => {
    for (const hidden of [
      '\u200b',
      '\u{e0041}',
      '\u00ad',
      '\u2060',
      '\u3164',
      '\ufe0f',
      '\ue000',
      '\ud800',
      '\u0007',
    ])
      expect(isVisibleText(`East${hidden}`), JSON.stringify(hidden)).toBe(false)
    expect(isVisibleText('Süd-Ost 日本 (№ 2)')).toBe(true)
  })
  it('are stored composed, with single spaces', () => {
    expect(normalizeName(' E\u0301cole\u00a0 \u3000North ')).toBe('\u00c9cole North')
  })
  it('are compared without regard to case and compatibility forms', () => {
    for (const [one, other] of [
      ['East', 'EAST'],
      ['East', '\uff25ast'],
      ['Ma\u00df', 'MASS'],
      ['ﬁle', 'FILE'],
      ['É', 'e\u0301'],
    ] as const)
      expect(toNameKey(one)).toBe(toNameKey(other))
    expect(toNameKey('East')).not.toBe(toNameKey('Easter'))
  })
})

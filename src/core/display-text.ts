import { z } from 'zod'

/**
 * Characters that a terminal or a page does not show as what they are: control, format, unassigned and private
 * characters, lone surrogates, line separators, and characters that are invisible by default (Unicode TR 44).
 */
const HIDDEN_CHARACTERS = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u
const UNSAFE_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const REPLACEMENT = '\u{fffd}'

/** Replaces the characters of untrusted text that could change a terminal or the order of the text. */
export const toDisplayText = (text: string): string => text.replace(UNSAFE_CHARACTERS, REPLACEMENT)

/** As `toDisplayText`, for text of several lines. */
export const toDisplayLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.split('\t').map(toDisplayText).join('\t'))
    .join('\n')

/** Returns true if a name has only visible characters and spaces. */
export const isVisibleText = (text: string): boolean => !HIDDEN_CHARACTERS.test(text)

/** Returns the stored form of a name: composed characters (NFC), and single spaces inside. */
export const normalizeName = (name: string): string =>
  name
    .normalize('NFC')
    .replace(/\p{Zs}+/gu, ' ')
    .trim()

/** Returns the form by which names are compared: without regard to case and compatibility forms (NFKC). */
export const toNameKey = (name: string): string =>
  normalizeName(name.normalize('NFKC')).toUpperCase().toLowerCase().normalize('NFKC')

/** Schema of text from another machine that is shown to people. Control characters are replaced. */
export const createDisplayTextSchema = (maxLength: number) =>
  z.string().max(maxLength).overwrite(toDisplayText)

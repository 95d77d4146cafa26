import { z } from 'zod'

/** What a file is sealed by that leaves the machine. */
export const passphraseSchema = z.string().min(8, 'a passphrase has 8 characters or more').max(1000)

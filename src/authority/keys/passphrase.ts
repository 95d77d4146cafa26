import { z } from 'zod'

/** Schema of a passphrase for encrypted files. */
export const passphraseSchema = z.string().min(8, 'a passphrase has 8 characters or more').max(1000)

import { parseProfileText, type ProductProfile } from '../core/profile.ts'
import { readFileArgument } from './secrets.ts'

/** Reads a product profile from a JSON file named on the command line. @throws LicensingError FILE_UNREADABLE, INVALID_ARGUMENT */
export const readProfileArgument = (path: string): ProductProfile => parseProfileText(readFileArgument(path))

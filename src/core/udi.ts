import { z } from 'zod'

const createTextSchema = (what: string, max: number) =>
  z
    .string()
    .min(1, `${what} is empty`)
    .max(max, `${what} is longer than ${max} characters`)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/+-]*$/, `${what} may contain only letters, digits and . _ / + -`)

/**
 * Unique device identifier: product id, version and serial number (planning guide, "Product Instances"). Two devices with
 * the same product id and serial number are the same product instance.
 */
export const udiSchema = z.strictObject({
  pid: createTextSchema('product id', 64),
  version: createTextSchema('version', 32),
  serial: createTextSchema('serial number', 64),
})

export type Udi = z.infer<typeof udiSchema>

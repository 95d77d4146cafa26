import { z } from 'zod'

const createTextSchema = (what: string, max: number) =>
  z
    .string()
    .min(1, `${what} is empty`)
    .max(max, `${what} is longer than ${max} characters`)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/+-]*$/, `${what} may hold letters, digits and . _ / + - only`)

/**
 * Unique device identifier: product id, version and serial number. What makes a box a product
 * instance (guide, "Product Instances"). Two boxes are the same one when pid and serial are equal.
 */
export const udiSchema = z.strictObject({
  pid: createTextSchema('product id', 64),
  version: createTextSchema('version', 32),
  serial: createTextSchema('serial number', 64),
})

export type Udi = z.infer<typeof udiSchema>

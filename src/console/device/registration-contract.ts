import { z } from 'zod'
import { mutation } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { statusSchema } from './schemas.ts'

const token = z.string().trim().min(1, 'paste the token').max(100_000)
const registration = z.object({ token, force: z.boolean().default(false) })
const toForceSubject = (input: { force: boolean }) => (input.force ? 'overwrite' : '')

export const registrationContract = {
  register: mutation({
    access: 'administrator',
    summary: 'Registers the device with a token. Returns the first outcome within 35 seconds.',
    schema: { body: registration, response: statusSchema },
    auditSubject: toForceSubject,
  }),
  reregister: mutation({
    access: 'administrator',
    summary: 'Registers again with a new token. The old registration stays valid until then.',
    schema: { body: registration, response: statusSchema },
    auditSubject: toForceSubject,
  }),
  deregister: mutation({
    access: 'administrator',
    summary: 'Returns every license and ends the registration.',
    schema: { body: emptySchema, response: statusSchema },
  }),
  'renew-registration': mutation({
    access: 'administrator',
    summary: 'Renews the registration now.',
    schema: { body: emptySchema, response: statusSchema },
  }),
  'renew-authorization': mutation({
    access: 'administrator',
    summary: 'Renews the authorization now.',
    schema: { body: emptySchema, response: statusSchema },
  }),
}

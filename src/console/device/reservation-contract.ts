import { z } from 'zod'
import { mutation } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { statusSchema } from './schemas.ts'

const file = z.object({ file: z.string().min(1, 'choose the file').max(200_000) })

export const reservationContract = {
  'reservation-request': mutation({
    access: 'administrator',
    summary: 'Creates the reservation request code, or returns the current one.',
    schema: { body: emptySchema, response: z.object({ requestCode: z.string() }) },
  }),
  'reservation-cancel': mutation({
    access: 'administrator',
    summary: 'Cancels the reservation request.',
    schema: { body: emptySchema, response: z.object({ canceled: z.boolean() }) },
  }),
  'reservation-install': mutation({
    access: 'administrator',
    summary: 'Installs the authorization file of the pending request.',
    schema: { body: file, response: statusSchema },
  }),
  'reservation-update': mutation({
    access: 'administrator',
    summary: 'Installs a newer authorization file. The status has the confirmation code.',
    schema: { body: file, response: statusSchema },
  }),
  'reservation-return-code': mutation({
    access: 'administrator',
    summary: 'Ends the reservation on the device, and creates its return code.',
    schema: { body: emptySchema, response: z.object({ returnCode: z.string() }) },
  }),
  'reservation-return': mutation({
    access: 'administrator',
    summary: 'Completes the return of the reservation.',
    schema: { body: emptySchema, response: statusSchema },
  }),
  'reservation-discard': mutation({
    access: 'administrator',
    summary: 'Creates the return code of an authorization file whose request was canceled.',
    schema: { body: file, response: z.object({ instanceId: z.string(), returnCode: z.string() }) },
  }),
}

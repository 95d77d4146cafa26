import { createPublicKey, type KeyObject } from 'node:crypto'
import type { Sealed } from '../protocol/messages.ts'
import { type SyncProof, syncProofSchema } from '../protocol/sync-proof.ts'
import { peek, seal, sealedBy } from './signed-message.ts'

const TYPE = 'sla-sync-proof+jws'

/** Signs a proof by the satellite's synchronization key: a JWS in its compact form. */
export async function signSyncProof(proof: SyncProof, privateKey: KeyObject): Promise<string> {
  const sealed = await seal(proof, { type: TYPE, privateKey })
  return `${sealed.protected}.${sealed.payload}.${sealed.signature}`
}

/** Returns a proof whose signature is that of the key it names; null for anything else. Whose key it is, is for the caller. */
export async function readSyncProof(text: string): Promise<SyncProof | null> {
  const [head = '', payload = '', signature = '', ...rest] = text.split('.')
  const sealed: Sealed = { protected: head, payload, signature }
  const proof = syncProofSchema.safeParse(peek(sealed))
  if (rest.length > 0 || !proof.success) return null
  const key = publicKeyOf(proof.data.key)
  return key && (await sealedBy(sealed, TYPE, key)) ? proof.data : null
}

function publicKeyOf(spki: string): KeyObject | null {
  try {
    const key = createPublicKey({ key: Buffer.from(spki, 'base64url'), format: 'der', type: 'spki' })
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : null
  } catch {
    return null
  }
}

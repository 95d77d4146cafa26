import { createPublicKey, type KeyObject } from 'node:crypto'
import type { SignedMessage } from '../protocol/messages.ts'
import { type SyncProof, syncProofSchema } from '../protocol/sync-proof.ts'
import { isP256Key } from './p256-key.ts'
import { decodePayloadUnverified, signMessage, verifyMessage } from './signed-message.ts'

const MESSAGE_TYPE = 'sla-sync-proof+jws'

/** Signs a proof with the satellite's synchronization key: a JWS in compact serialization. */
export async function signSyncProof(proof: SyncProof, privateKey: KeyObject): Promise<string> {
  const message = await signMessage(proof, { type: MESSAGE_TYPE, privateKey })
  return `${message.protected}.${message.payload}.${message.signature}`
}

/** Verifies a proof with the key that it names; null if it is not valid. The caller must check who owns the key. */
export async function verifySyncProof(text: string): Promise<SyncProof | null> {
  const [head = '', payload = '', signature = '', ...rest] = text.split('.')
  const message: SignedMessage = { protected: head, payload, signature }
  const proof = syncProofSchema.safeParse(decodePayloadUnverified(message))
  if (rest.length > 0 || !proof.success) return null
  const key = importPublicKey(proof.data.key)
  return key && (await verifyMessage(message, MESSAGE_TYPE, key)) ? proof.data : null
}

function importPublicKey(spki: string): KeyObject | null {
  try {
    const key = createPublicKey({ key: Buffer.from(spki, 'base64url'), format: 'der', type: 'spki' })
    return isP256Key(key) ? key : null
  } catch {
    return null
  }
}

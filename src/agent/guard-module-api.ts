import { types } from 'node:util'
import { agentClosedError } from './agent-closed.ts'
import type { Device } from './agent-core.ts'

type AnyFunction = (...args: unknown[]) => unknown

/**
 * Returns an interface whose functions, and those of its nested objects, fail with AGENT_CLOSED after the agent was closed.
 * A module reads its tables directly, and would otherwise throw the error of a closed database.
 */
export function guardModuleApi<Api>(api: Api, device: Device): Api {
  if (typeof api !== 'object' || api === null) return api
  const guarded = new Map<unknown, unknown>()
  const guard = (target: object, value: unknown): unknown => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value
    const known = guarded.get(value) ?? guardFunctionOrObject(target, value)
    guarded.set(value, known)
    return known
  }
  const guardFunctionOrObject = (target: object, value: object): unknown =>
    typeof value === 'function' ? guardFunction(target, value as AnyFunction, device) : guardObject(value)
  const guardObject = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (_, property) => {
        const descriptor = Reflect.getOwnPropertyDescriptor(target, property)
        // A getter runs on the object itself, because a proxy has no private fields.
        const value: unknown = Reflect.get(target, property, target)
        // A proxy must return a constant property as it is.
        return descriptor?.configurable === false && descriptor.writable === false
          ? value
          : guard(target, value)
      },
    })
  return guardObject(api)
}

function guardFunction(target: object, run: AnyFunction, device: Device): AnyFunction {
  return (...args) => {
    if (!device.isClosed) return run.apply(target, args)
    // Call the function nevertheless, so that one that returns a promise rejects. Nothing can be written any more.
    let result: unknown
    try {
      result = run.apply(target, args)
    } catch {
      throw agentClosedError()
    }
    if (!types.isPromise(result)) throw agentClosedError()
    result.catch(() => undefined)
    return Promise.reject(agentClosedError())
  }
}

import type { ErrorCode } from '../src/core/errors.ts'
import type { FaultName } from '../src/faults/index.ts'
import type { TransportSettings } from '../src/transports/transport.ts'
import type { TestBed, TestBedOptions } from './test-bed.types.ts'

/** Result of one cell of the matrix. */
export interface FailureResult {
  readonly fault: FaultName
  readonly transport: TransportSettings['kind']
  /** Code that the agent reports, as the catalog says. */
  readonly code: ErrorCode
  /** Text that the product showed to its users. */
  readonly shown: string
  /** Reason why the cell has failed. Null if all is right */
  readonly problem: string | null
  /** Real milliseconds. */
  readonly milliseconds: number
}

/** One failure, to run as a test. */
export interface FailureCell {
  /** Title for the test, such as `tls-expired, direct: TLS_EXPIRED`. */
  readonly name: string
  readonly fault: FaultName
  readonly transport: TransportSettings['kind']
  readonly code: ErrorCode
  /** Runs the failure against the product. @throws Error if something does not hold, with what the product showed */
  run(): Promise<void>
}

export interface MatrixOptions<
  Product,
  Api = unknown,
  StatusPart extends object = object,
  Tag extends string = string,
> {
  /** Options of the test beds, such as the profile of the product. */
  readonly bed?: Omit<TestBedOptions<Api, StatusPart, Tag>, 'faults' | 'transport'>
  /** Opens the product on a test bed, with the agent `bed.agent`, its own callbacks and pages. */
  readonly open: (bed: TestBed<Api, StatusPart, Tag>) => Promise<Product> | Product
  /** Returns what the product shows to its users about licensing now, such as the text of a page. */
  readonly show: (product: Product) => Promise<string> | string
  /** Closes the product. The agent is closed by the bed. */
  readonly close?: (product: Product) => Promise<void> | void
  /**
   * Decides whether the product tells a failure rightly. Default: it shows the code, the message or the remedy of the agent.
   */
  readonly isRight?: (failure: {
    readonly shown: string
    readonly fault: FaultName
    readonly code: ErrorCode
    readonly message: string
    readonly remedy: string
  }) => boolean
}

export interface FailureMatrix {
  /** One cell for each fault of the catalog, on each route on which it can occur. */
  readonly cells: readonly FailureCell[]
  /** Results of the cells that have run. */
  readonly results: readonly FailureResult[]
  /** Formats the results as a table in Markdown: which failures the product tells its users rightly. */
  toMarkdown(): string
}

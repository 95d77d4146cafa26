/** Stands in for the product's cost in tests that run in one process: these open hundreds of encrypted files. */
export const AGE_WORK_FACTOR = 8

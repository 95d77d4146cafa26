/** Single default metrics of prom-client, which its own declarations do not describe. */
declare module 'prom-client/lib/metrics/*.js' {
  const register: (registry: import('prom-client').Registry) => void
  export default register
}

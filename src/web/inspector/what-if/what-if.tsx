import { Alert, Button } from '@mantine/core'
import { IconFlask } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { WhatIfOptions } from '../../../../machines/what-if.ts'
import { changeLocation } from '../inspector-location.ts'
import { useSource } from '../source-context.tsx'
import { type Runner, startRunner } from './run-in-worker.ts'
import { useStart } from './use-start.ts'
import { INITIAL_FORM, type WhatIfForm, toDuration } from './what-if-form.ts'
import { WhatIfPanel } from './what-if-panel.tsx'
import { WhatIfResult } from './what-if-result.tsx'
import { whatIfTexts as t } from './what-if-texts.ts'
import '../views.css'
import './what-if.css'

/** Runs copies of the machine into the future. Nothing on this page is real. */
export function WhatIf() {
  const [form, setForm] = useState<WhatIfForm>(INITIAL_FORM)
  const start = useStart(form.customAt)
  const runner = useRunner()
  const { key } = useSource()
  const days = toDuration(form)
  const options: WhatIfOptions | null =
    start.data && days !== null
      ? {
          from: start.data.from,
          days,
          authority: form.authority,
          events: [...start.data.events, ...(form.event ? [form.event] : [])],
        }
      : null
  const run = useQuery({
    queryKey: [...key, 'what-if', start.data?.id, options],
    queryFn: () => {
      if (!runner || !start.data || !options) throw new Error(t.failed)
      return runner.run({ snapshot: start.data.snapshot, options })
    },
    enabled: runner !== null && options !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 60_000,
  })
  const isCurrent = run.data !== undefined && !run.isPlaceholderData
  return (
    <div className="ins-what-if">
      <Banner />
      <div className="ins-what-if-body">
        <WhatIfPanel
          form={form}
          onChange={setForm}
          start={start}
          isRunning={run.isFetching}
          onRun={() => {
            void start.refetch()
            void run.refetch()
          }}
          options={options}
          run={isCurrent ? run.data : null}
        />
        <div className="ins-what-if-result" aria-busy={run.isFetching} tabIndex={-1}>
          {run.error && (
            <Alert color="red" title={t.failed}>
              {run.error.message}
            </Alert>
          )}
          {run.data && options && <WhatIfResult run={run.data} options={options} />}
        </div>
      </div>
    </div>
  )
}

function Banner() {
  return (
    <div className="ins-what-if-banner" role="note">
      <IconFlask size={18} stroke={2} aria-hidden="true" />
      <p>
        <b>{t.banner}</b> {t.bannerDetail}
      </p>
      <Button
        variant="default"
        h={28}
        px={12}
        onClick={() => {
          changeLocation({ view: 'chart', at: null })
        }}
      >
        {t.leave}
      </Button>
    </div>
  )
}

/** Starts the worker, and ends it with the component. */
function useRunner(): Runner | null {
  const [runner, setRunner] = useState<Runner | null>(null)
  useEffect(() => {
    const started = startRunner()
    setRunner(started)
    return () => {
      started.close()
    }
  }, [])
  return runner
}

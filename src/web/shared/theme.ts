import { createTheme, defaultVariantColorsResolver, type VariantColorsResolver } from '@mantine/core'
import { texts } from './texts.ts'

/** Adjusts the text color of tinted elements, because Mantine's default contrast is too low. */
const resolveReadableColors: VariantColorsResolver = (input) => {
  const colors = defaultVariantColorsResolver(input)
  const { color = 'blue', variant } = input
  if (variant !== 'light' && variant !== 'subtle' && variant !== 'transparent') return colors
  const [name = 'blue'] = color.split('.')
  return {
    ...colors,
    color: `light-dark(color-mix(in srgb, var(--mantine-color-${name}-9), black 30%), var(--mantine-color-${name}-2))`,
  }
}

/** Colors and fonts of all pages. */
export const theme = createTheme({
  primaryColor: 'blue',
  primaryShade: 8,
  // Luminance at which black and white text have equal contrast.
  luminanceThreshold: 0.179,
  variantColorResolver: resolveReadableColors,
  defaultRadius: 'md',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, monospace',
  autoContrast: true,
  // No asterisks, because nearly all fields are required and errors are shown at the field.
  components: {
    InputWrapper: { defaultProps: { withAsterisk: false } },
    Modal: { defaultProps: { closeButtonProps: { 'aria-label': texts.close } } },
    Badge: { defaultProps: { tt: 'none', fw: 600, miw: 'max-content' } },
  },
  respectReducedMotion: true,
})

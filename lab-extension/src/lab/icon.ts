/** The icon of the lab: the diagonal of an eviction timeline and two lines that survive. */
import { LabIcon } from '@jupyterlab/ui-components';

export const labIcon = new LabIcon({
  name: 'kvlab:lab',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">
  <g class="jp-icon3" fill="#616161"><path d="M2 2h2v12H2zM6 2h1v12H6zM7 2h3l4 10v2h-2z"/></g></svg>`,
});

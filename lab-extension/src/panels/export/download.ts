/** Hands a file to the reader: as a download of the browser, made in the page and sent nowhere. */
export function download(name: string, type: string, content: string | Uint8Array): void {
  const blob = new Blob([content as BlobPart], { type });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser reads the address after this turn; a minute is enough for any.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

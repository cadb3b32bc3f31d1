/** Lets tests use WebGPU on a machine without a graphics device: Chromium brings a software driver for Vulkan. */
import { existsSync } from 'node:fs';

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Points the Vulkan loader at the software driver, unless the caller chose a driver. Call it before a device opens. */
export function useSoftwareGraphics(): void {
  if (!process.env.VK_ICD_FILENAMES && existsSync(driver)) process.env.VK_ICD_FILENAMES = driver;
}

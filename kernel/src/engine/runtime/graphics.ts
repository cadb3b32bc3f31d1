/** The one graphics device of a process, made by us and handed to every session.
 *
 *  A device that ONNX Runtime makes itself dies with its last session, and two devices cannot share a buffer. */
import type { Graphics } from './platform.ts';

/** What is used of WebGPU's `GPU`, `GPUAdapter` and `GPUDevice`, so that no global types are needed. */
export interface Gpu {
  requestAdapter(options?: { powerPreference?: string }): Promise<Adapter | null>;
}
interface Adapter {
  info: { vendor: string; architecture: string; device: string; description: string; isFallbackAdapter?: boolean };
  features: { has(name: string): boolean };
  limits: Record<string, unknown>;
  requestDevice(options: {
    requiredFeatures: string[];
    requiredLimits: Record<string, number>;
  }): Promise<GraphicsDevice>;
}
interface GraphicsDevice {
  lost: Promise<{ reason: string; message: string }>;
  destroy(): void;
}

/** Features that ONNX Runtime's shaders use where the adapter has them. */
const wanted = ['shader-f16', 'subgroups', 'subgroup-size-control', 'timestamp-query'];
/** Limits whose defaults (128 MiB bindings, 8 buffers) are too small for the head of a model. */
const raised = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
  'maxBindGroups',
];
const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|warp/i;

/** Opens a device with all that the adapter allows, or says why none is used. */
export async function openGraphics(gpu: Gpu, software: boolean): Promise<Graphics> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    return { why: 'no graphics adapter was found (a Vulkan loader and driver, Metal or Direct3D 12 is needed)' };
  const { vendor, architecture, device: model, description, isFallbackAdapter } = adapter.info;
  const name = description || [vendor, architecture || model].filter(Boolean).join(' ') || 'an unnamed adapter';
  const isSoftware =
    isFallbackAdapter === true || softwareNames.test([vendor, architecture, model, description].join(' '));
  if (isSoftware && !software) return { why: `the only graphics adapter, ${name}, is software` };

  const device = await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(
      raised.flatMap((limit) => (typeof adapter.limits[limit] === 'number' ? [[limit, adapter.limits[limit]]] : [])),
    ),
  });
  let lost: string | undefined;
  device.lost.then(({ reason, message }) => {
    lost = `runtime: the graphics device was lost (${reason}: ${message}); load the model again`;
  });
  return { device, name, software: isSoftware, lost: () => lost, release: () => device.destroy() };
}

/** The user's settings, from the registry of JupyterLab into the preferences of the page. */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { setPreferences } from '../preferences.ts';

/** Takes the settings of a plugin over, now and after each change. */
export async function followSettings(registry: ISettingRegistry, plugin: string): Promise<void> {
  const settings = await registry.load(plugin);
  const take = () => setPreferences(settings.composite);
  settings.changed.connect(take);
  take();
}

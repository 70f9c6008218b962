import { Option } from 'commander';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { ConfigSources } from '../config/load.ts';
import { flagOf, settingNames, settings } from '../config/settings.ts';
import type { Setting, SettingName } from '../config/settings.ts';
import type { Config } from '../config/config.ts';

type Role = Setting<unknown>['role'];

function optionOf(name: SettingName): Option {
  return new Option(`${flagOf(name)} <value>`, settings[name].description);
}

/** Gives a command --config and the flags of the settings that mean something to it. */
export function addConfigOptions(command: Command, ...roles: Role[]): Command {
  command.option('--config <file>', 'configuration file (/etc/weft/weft.yaml)');
  for (const name of settingNames) {
    const { role } = settings[name];
    if (role === 'both' || roles.includes(role)) command.addOption(optionOf(name));
  }
  return command;
}

/**
 * The configuration a command was given by file, environment and its own flags.
 * @param detectAddresses finds the machine's own addresses; without it nobody asks for them
 */
export function readConfig(
  command: Command,
  detectAddresses: ConfigSources['detectAddresses'] = () => [],
): Config {
  const flags: Partial<Record<SettingName, string>> = {};
  for (const name of settingNames) {
    const value: unknown = command.getOptionValue(optionOf(name).attributeName());
    if (typeof value === 'string') flags[name] = value;
  }
  const file: unknown = command.getOptionValue('config') ?? process.env['WEFT_CONFIG'];
  return loadConfig({
    file: typeof file === 'string' && file !== '' ? file : undefined,
    environment: process.env,
    flags,
    detectAddresses,
  });
}

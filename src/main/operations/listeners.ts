/** The operators' listeners: `ADMIN_LISTEN`, with everything, and `METRICS_LISTEN`, with health and metrics alone. */
import type { AddressInfo } from 'node:net';
import type { Config } from '../config.ts';
import type { ListenerConfig } from '../http/listener.ts';
import type { Log } from '../log/log.ts';
import type { Telemetry } from '../telemetry.ts';
import { AdminServer } from './admin.ts';
import { OperatorAccess } from './admin-token.ts';
import type { Operator } from './operator.ts';
import { metricsRoutes, operatorRoutes } from './routes.ts';
import type { TapSockets } from './tap-sockets.ts';

export class OperatorsListeners {
  private readonly config: Pick<Config, 'ADMIN_LISTEN' | 'METRICS_LISTEN'>;
  private readonly admin: AdminServer | null;
  private readonly metrics: AdminServer | null;

  /** @throws Error for operators if `ADMIN_TOKEN_FILE` has no token. */
  constructor(
    operator: Operator,
    taps: Pick<TapSockets, 'grant'>,
    config: ListenerConfig & Pick<Config, 'ADMIN_LISTEN' | 'METRICS_LISTEN' | 'ADMIN_TOKEN_FILE'>,
    log: Log,
    telemetry: Pick<Telemetry, 'refused'>,
  ) {
    const { ADMIN_LISTEN, METRICS_LISTEN, ADMIN_TOKEN_FILE } = config;
    this.config = config;
    const access = ADMIN_LISTEN === null ? null : new OperatorAccess(ADMIN_TOKEN_FILE);
    this.admin =
      access === null ? null : new AdminServer(operatorRoutes(operator, taps), access, config, log, telemetry);
    this.metrics =
      METRICS_LISTEN === null ? null : new AdminServer(metricsRoutes(operator), null, config, log, telemetry);
  }

  /**
   * Starts to listen.
   *
   * @returns where; null for a listener that is not configured.
   * @throws Error that names a refused address and says how to choose another.
   */
  async listen(): Promise<{ admin: AddressInfo | null; metrics: AddressInfo | null }> {
    const { ADMIN_LISTEN, METRICS_LISTEN } = this.config;
    return {
      admin: ADMIN_LISTEN === null ? null : await this.admin!.listen(ADMIN_LISTEN, 'ADMIN_LISTEN'),
      metrics: METRICS_LISTEN === null ? null : await this.metrics!.listen(METRICS_LISTEN, 'METRICS_LISTEN'),
    };
  }

  close(): void {
    this.admin?.close();
    this.metrics?.close();
  }
}

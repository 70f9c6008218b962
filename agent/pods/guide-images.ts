import type { ImageOptions, ImageRoot } from './images.ts';

/** One line of an image table, as data for {@link ImageTable.add}. */
export interface ImageDeclaration {
  readonly name: string;
  readonly root: ImageRoot;
  readonly options: ImageOptions;
}

/** Debian's nginx with a configuration of its own: modules, logs and paths of the host's do not matter. */
function renderNginxConf(servers: string): string {
  return `user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 512; }
http {
  types { text/html html; text/plain txt; text/css css; application/javascript js; image/png png; }
  default_type application/octet-stream;
  access_log /dev/stdout;
  server_tokens off;
  keepalive_timeout 65;
${servers}}
`;
}

function renderServer(listen: string): string {
  return `  server {
${listen}    root /usr/share/nginx/html;
    index index.html;
    location = /whoami { default_type text/plain; return 200 "$remote_addr $hostname\\n"; }
  }
`;
}

const listenHttp = `    listen 80 default_server;
    listen [::]:80 default_server;
`;
const listenHttps = `    listen 443 ssl default_server;
    listen [::]:443 ssl default_server;
    ssl_certificate /etc/nginx/ssl/nginx.crt;
    ssl_certificate_key /etc/nginx/ssl/nginx.key;
`;

const nginxCommand = ['nginx', '-c', '/etc/nginx/nginx.conf', '-g', 'daemon off;'];

/**
 * The images the guide's pods name, made of the host's own programs: Debian's nginx-light, curl, busybox-static
 * and bind9-dnsutils.
 */
export const guideImages: readonly ImageDeclaration[] = [
  {
    name: 'nginx',
    root: { hostRoot: true },
    options: {
      command: nginxCommand,
      files: { '/etc/nginx/nginx.conf': renderNginxConf(renderServer(listenHttp)) },
    },
  },
  {
    name: 'radial/busyboxplus:curl',
    root: { hostRoot: true },
    options: { command: ['sh'] },
  },
  {
    // The key and certificate come from the pod's secret volume at /etc/nginx/ssl.
    name: 'bprashanth/nginxhttps:1.0',
    root: { hostRoot: true },
    options: {
      command: nginxCommand,
      files: { '/etc/nginx/nginx.conf': renderNginxConf(renderServer(listenHttp + listenHttps)) },
    },
  },
];

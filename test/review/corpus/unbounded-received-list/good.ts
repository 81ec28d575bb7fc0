export function listen(socket: Bus, driver: Driver): void {
  socket.on('ports', (ports) => {
    for (const port of ports.slice(0, 100)) driver.plug(port);
  });
  socket.on('close', (reasons) => {
    for (const reason of reasons) driver.note(reason);
  });
}

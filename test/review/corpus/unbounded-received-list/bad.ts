export function listen(socket: Bus, driver: Driver): void {
  socket.on('ports', (ports) => {
    for (const port of ports) driver.plug(port); // finds: unbounded-received-list
  });
}

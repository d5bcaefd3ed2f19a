import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.FixedLengthFrameDecoder;
import java.io.IOException;
import java.net.InetSocketAddress;

/**
 * Peer `netty`: the native epoll transport with one event loop. `echo` writes back what it has read; `reply` answers
 * each message of 64 bytes by a write of its own. Both flush when a read is complete, as the guide advises. The program
 * prints a line of JSON with its port, and ends when its stdin ends.
 */
public final class NettyEcho {
  private static final int MESSAGE_BYTES = 64;

  private static final class Answer extends ChannelInboundHandlerAdapter {
    @Override public void channelRead(ChannelHandlerContext context, Object read) {
      context.write(read, context.voidPromise());
    }

    @Override public void channelReadComplete(ChannelHandlerContext context) {
      context.flush();
    }

    /** A client that has finished resets its connections. */
    @Override public void exceptionCaught(ChannelHandlerContext context, Throwable error) {
      context.close();
    }
  }

  public static void main(String[] args) throws InterruptedException, IOException {
    boolean isReply = args[0].equals("reply");
    Channel channel = new ServerBootstrap()
        .group(new EpollEventLoopGroup(1))
        .channel(EpollServerSocketChannel.class)
        .option(ChannelOption.SO_BACKLOG, 511)
        .childOption(ChannelOption.TCP_NODELAY, true)
        .childOption(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
        .childHandler(new ChannelInitializer<SocketChannel>() {
          @Override protected void initChannel(SocketChannel of) {
            if (isReply) of.pipeline().addLast(new FixedLengthFrameDecoder(MESSAGE_BYTES));
            of.pipeline().addLast(new Answer());
          }
        })
        .bind("127.0.0.1", 0).sync().channel();
    System.out.printf("{\"port\":%d}%n", ((InetSocketAddress) channel.localAddress()).getPort());
    System.out.flush();
    while (System.in.read() >= 0) continue;
    Runtime.getRuntime().halt(0);
  }
}
